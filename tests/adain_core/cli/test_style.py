"""``style``: what it makes is what the core makes, and it reads what it wrote."""

from __future__ import annotations

import shutil
import sys

import pytest
import torch
from PIL import Image

from adain_core import Stylizer, load_style, mix
from adain_core.cli.main import main
from adain_core.images.files import load_picture
from adain_core.method.style_arithmetic import extrapolate
from adain_core.method.style_bank import row
from adain_core.models.style_files import load_thumbnail
from adain_core.models.style_library import LIBRARY


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


@pytest.fixture
def folder(examples, tmp_path):
    (tmp_path / "paintings/deeper").mkdir(parents=True)
    for name, place in (("starry_night", "paintings"), ("safe_landing", "paintings/deeper")):
        with Image.open(examples / f"style_{name}.jpg") as image:
            image.resize((80, 64)).save(tmp_path / place / f"{name}.png")
    return tmp_path


def same(path, style):
    found = load_style(path)
    for layer, expected in zip(found.layers(), style.layers(), strict=True):
        torch.testing.assert_close(layer, expected)
    return found


def test_make_of_a_folder(folder, stylizer, examples):
    out = folder / "both.safetensors"
    given = ["--author", "Two", "--license", "CC0", "--thumbnail", str(examples / "content_chelsea.jpg")]
    assert main(["style", "make", str(folder / "paintings"), "--style-size", "0", "-o", str(out), *given]) == 0
    pictures = [load_picture(path) for path in sorted((folder / "paintings").rglob("*.png"))]
    found = same(out, stylizer.pooled_style([(picture.filled, None) for picture in pictures]))
    assert found.info == {"name": "both", "author": "Two", "license": "CC0"}
    assert load_thumbnail(out).size == (96, 64)


def test_make_leaves_out_what_cannot_be_read_of_a_folder_alone(folder, stylizer, capsys):
    broken, out = folder / "paintings/broken.png", folder / "out.safetensors"
    broken.write_text("no picture")
    command = ["style", "make", "--style-size", "0", "-o", str(out)]
    assert main([*command, str(folder / "paintings")]) == 0
    assert f"skipped {broken}: expected an image file" in capsys.readouterr().err
    pictures = [load_picture(path) for path in sorted((folder / "paintings").rglob("s*.png"))]
    same(out, stylizer.pooled_style([(picture.filled, None) for picture in pictures]))
    assert main([*command, str(broken)]) == 2
    (folder / "none").mkdir()
    broken.rename(folder / "none/broken.png")
    assert main([*command, str(folder / "none")]) == 2
    assert f"{folder / 'none'}: expected usable images, found 1 that are not" in capsys.readouterr().err


def test_mix_within_and_beyond(folder, capsys):
    names = ["van_gogh_irises", "munch_scream.safetensors"]
    styles = [load_style(LIBRARY / f"{name.removesuffix('.safetensors')}.safetensors") for name in names]
    out = str(folder / "mixed.safetensors")
    assert main(["style", "mix", *names, "-o", out]) == 0
    same(out, mix(styles, [1, 1]))
    assert main(["style", "mix", *names, "-o", out, "--weights", "1.5", "-0.5", "--name", "More"]) == 0
    assert same(out, extrapolate(styles, [1.5, -0.5])).info == {"name": "More"}


def test_join_and_take_one_out(folder, examples, capsys):
    out, bank = folder / "bank.safetensors", examples / "styles/bank_of_three.safetensors"
    photo = ["--thumbnail", str(examples / "content_chelsea.jpg")]
    assert main(["style", "join", "munch_scream", str(bank), f"{bank}:1", "-o", str(out), *photo]) == 0
    scream, three = load_style(LIBRARY / "munch_scream.safetensors"), load_style(bank)
    expected = [scream, *(row(three, number) for number in (0, 1, 2, 1))]
    assert load_style(out).batch == len(expected)
    assert load_thumbnail(out).size == (96, 64)
    for number, style in enumerate(expected):
        assert main(["style", "mix", f"{out}:{number}", "-o", str(folder / "one.safetensors")]) == 0
        same(folder / "one.safetensors", style)
    assert main(["style", "show", str(out)]) == 0
    assert "styles: 5" in capsys.readouterr().out
    assert main(["style", "show", f"{out}:4"]) == 0
    assert "channels: 1088" in capsys.readouterr().out


@pytest.mark.parametrize("action", ["mix", "join"])
def test_the_files_of_a_style_are_not_written_over(action, folder, examples, capsys):
    bank = folder / f"own_{action}.safetensors"
    shutil.copy(examples / "styles/bank_of_three.safetensors", bank)
    before = bank.read_bytes()
    assert main(["style", action, "munch_scream", f"{bank}:1", "-o", str(bank)]) == 2
    assert "expected another file than those it is made of" in capsys.readouterr().err
    assert bank.read_bytes() == before


def test_list_and_show(folder, capsys):
    assert main(["style", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(list(LIBRARY.glob("*.safetensors")))
    assert "munch_scream.safetensors\tThe Scream\tEdvard Munch\tpublic domain; the painter died in 1944" in lines
    picture = folder / "scream.png"
    assert main(["style", "show", "munch_scream", "-o", str(picture)]) == 0
    shown = capsys.readouterr().out
    assert "author: Edvard Munch" in shown
    assert "pair: vgg19, fine" in shown
    assert "layers: 4" in shown
    with Image.open(picture) as image:
        assert image.size == (96, 96)


def test_list_leaves_out_what_cannot_be_read(folder, capsys):
    (folder / "broken.safetensors").write_text("no style")
    assert main(["style", "list", str(folder), str(LIBRARY)]) == 0
    listed = capsys.readouterr()
    assert len(listed.out.splitlines()) == len(list(LIBRARY.glob("*.safetensors")))
    assert listed.err.startswith(f"warning: {folder / 'broken.safetensors'}: expected a complete safetensors file")


def test_the_photo_of_the_thumbnail_is_read_before_the_work(folder, capsys, monkeypatch):
    monkeypatch.setattr(Stylizer, "pooled_style", lambda *_: pytest.fail("worked first"))
    out = folder / "out.safetensors"
    assert main(["style", "make", str(folder / "paintings"), "-o", str(out), "--thumbnail", "missing.jpg"]) == 2
    assert "missing.jpg" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode elsewhere")
def test_make_with_a_name_that_is_no_utf8(folder, examples, monkeypatch):
    monkeypatch.chdir(folder)
    name = "b\udcff.safetensors"
    arguments = ["style", "make", str(examples / "style_tissue.jpg"), "-o", name, "--pair", "light"]
    assert main([*arguments, "--style-size", "32"]) == 0
    assert (folder / name).is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["make", "missing.jpg", "-o", "out.safetensors"], "missing.jpg"),
        (["make", "missing.jpg", "-o", "out.png"], "out.png: expected a name that ends in .safetensors"),
        (["make", "missing.jpg", "-o", "out.safetensors:1"], "out.safetensors:1: expected a name that ends in"),
        (["list", "missing"], "missing: expected a folder of style files, found nothing"),
        (["show", "missing"], "missing: expected a style file or the name of one of the library's styles"),
        (["mix", "munch_scream", "-o", "out.safetensors", "--weights", "1", "2"], "one weight for each style, found 1"),
        (["mix", *["munch_scream"] * 2, "-o", "out.safetensors", "--weights", "1", "-2"], "sum to more than 0, found"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    assert main(["style", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not list(folder.glob("*out.*"))
