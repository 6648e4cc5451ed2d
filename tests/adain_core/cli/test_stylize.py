"""The command line, in this process and once as a user starts it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys

import pytest
import torch
from PIL import Image

from adain_core import Stylizer, load_style
from adain_core.cli.main import main
from adain_core.images.color import match_color
from adain_core.images.files import load_mask, load_picture, to_image
from adain_core.models.channel_clusters import cluster
from adain_core.models.style_files import save_style
from tests.conftest import ROOT


@pytest.fixture
def files(examples, tmp_path):
    with Image.open(examples / "content_chelsea.jpg") as image:
        image.crop((100, 60, 190, 130)).save(tmp_path / "photo.png")
    for name in ("starry_night", "safe_landing"):
        with Image.open(examples / f"style_{name}.jpg") as image:
            image.resize((80, 64)).save(tmp_path / f"{name}.png")
    left = Image.new("L", (90, 70), 0)
    left.paste(255, (0, 0, 45, 70))
    left.save(tmp_path / "left.png")
    Image.eval(left, lambda v: 255 - v).save(tmp_path / "right.png")
    Image.new("L", (8, 8), 0).save(tmp_path / "black.png")
    return tmp_path


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


def stylize(files, *arguments):
    out = files / "out.png"
    names = [str(files / a) if a.endswith(".png") else a for a in arguments]
    status = main(["stylize", str(files / "photo.png"), "--style-size", "0", "-o", str(out), *names])
    return status, out


def pixels(path):
    return load_picture(path).pixels


def same_picture(path, expected):
    assert to_image(expected[0]).tobytes() == to_image(pixels(path)[0]).tobytes()


def test_one_style(files, stylizer):
    status, out = stylize(files, "starry_night.png", "--alpha", "0.6")
    assert status == 0
    same_picture(out, stylizer.stylize(pixels(files / "photo.png"), pixels(files / "starry_night.png"), alpha=0.6))


def test_weights(files, stylizer):
    status, out = stylize(files, "starry_night.png", "safe_landing.png", "--weights", "1", "3")
    assert status == 0
    styles = [pixels(files / f"{name}.png") for name in ("starry_night", "safe_landing")]
    same_picture(out, stylizer.stylize(pixels(files / "photo.png"), styles, weights=[0.25, 0.75]))


def test_a_mask_per_style(files, stylizer):
    status, out = stylize(files, "starry_night.png", "safe_landing.png", "--mask", "left.png", "right.png")
    assert status == 0
    styles = [pixels(files / f"{name}.png") for name in ("starry_night", "safe_landing")]
    masks = [load_mask(files / f"{name}.png") for name in ("left", "right")]
    same_picture(out, stylizer.stylize(pixels(files / "photo.png"), styles, masks=masks))


def test_a_style_of_a_bank(files, stylizer, examples):
    """The second one: of the picture that the bank's file was made of."""
    bank = examples / "styles/bank_of_three.safetensors"
    status, out = stylize(files, f"{bank}:1")
    assert status == 0
    same_picture(out, stylizer.stylize(pixels(files / "photo.png"), load_style(bank).part(slice(1, 2))))


def test_preserved_colours_are_nearer_the_contents(files):
    photo = pixels(files / "photo.png").mean((2, 3))
    _, out = stylize(files, "starry_night.png")
    plain = (pixels(out).mean((2, 3)) - photo).abs().sum()
    status, out = stylize(files, "starry_night.png", "--preserve-color")
    assert status == 0
    assert (pixels(out).mean((2, 3)) - photo).abs().sum() < 0.5 * plain


@pytest.mark.parametrize("size", [(37, 1000), (1, 1), (1000, 3)])
def test_odd_sizes(files, size):
    Image.effect_noise(size, 60).save(files / "photo.png")
    status, out = stylize(files, "starry_night.png")
    assert status == 0
    with Image.open(out) as image:
        assert image.size == size


def test_colours_by_another_method_before_and_after(files, stylizer):
    photo, painting = pixels(files / "photo.png"), pixels(files / "starry_night.png")
    status, out = stylize(files, "starry_night.png", "--color-method", "histogram", "--color-strength", "0.7")
    assert status == 0
    same_picture(out, stylizer.stylize(photo, match_color(painting, photo, "histogram", strength=0.7)))
    result = stylizer.stylize(photo, painting)
    for method in ("mean-covariance", "luminance", "histogram"):
        status, out = stylize(files, "starry_night.png", "--color-after", "--color-method", method)
        assert status == 0
        same_picture(out, match_color(result, photo, method))


def test_colours_of_the_result_change_inside_the_mask_only(files):
    status, out = stylize(files, "starry_night.png", "--color-after", "--mask", "left.png")
    assert status == 0
    assert torch.equal(pixels(out)[..., 45:], pixels(files / "photo.png")[..., 45:])


def test_a_style_file_in_place_of_an_image(files, stylizer, tmp_path):
    style = stylizer.style(pixels(files / "starry_night.png"))
    save_style(files / "mine.safetensors", style)
    status, out = stylize(files, str(files / "mine.safetensors"), "safe_landing.png", "--weights", "3", "1")
    assert status == 0
    photo, other = pixels(files / "photo.png"), pixels(files / "safe_landing.png")
    same_picture(out, stylizer.stylize(photo, [style, other], weights=[3, 1]))
    status, out = stylize(files, str(files / "mine.safetensors"), "--color-after")
    assert status == 0
    same_picture(out, match_color(stylizer.stylize(photo, style), photo))


def test_transparency_is_kept(files):
    photo = Image.open(files / "photo.png").convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    photo.save(files / "photo.png")
    status, out = stylize(files, "starry_night.png")
    assert status == 0
    with Image.open(out) as image:
        assert image.getchannel("A").tobytes() == photo.getchannel("A").tobytes()


def test_a_name_as_long_as_the_file_system_takes(files, capsys):
    command = ["stylize", str(files / "photo.png"), str(files / "starry_night.png"), "--style-size", "0", "-o"]
    for length in (247, 255):
        out = files / ("x" * (length - 4) + ".png")
        assert main([*command, str(out)]) == 0
        assert out.is_file()
    capsys.readouterr()
    for name, found in (("x" * 252 + ".png", "found one of 256"), ("x" * 256 + "/out.png", "File name too long")):
        assert main([*command, str(files / name)]) == 2
        assert capsys.readouterr().err.strip().endswith(found)


def test_a_disk_that_is_full(files, capsys, monkeypatch):
    usage = shutil.disk_usage(files)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
    assert stylize(files, "starry_night.png")[0] == 2
    assert "found its disk to be full" in capsys.readouterr().err


def test_a_disk_that_fills_up_is_one_line(files, capsys, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    status, out = stylize(files, "starry_night.png")
    assert status == 2
    line = f"error: {out}: this file cannot be written (No space left on device); what was there before is unchanged"
    assert capsys.readouterr().err.splitlines()[-1] == line
    assert not out.exists()
    assert not list(files.glob(".*"))


@pytest.mark.slow
def test_names_that_the_terminal_cannot_show(files):
    command = [sys.executable, "-m", "adain_core", "stylize", files / "photo.png", files / "\u661f\u591c.png"]
    run = subprocess.run(
        [*command, "-o", files / "out.png"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
    )
    assert run.returncode == 2
    (line,) = run.stderr.decode("cp1252").splitlines()
    assert line.endswith("\\u661f\\u591c.png: expected an image file, found nothing")


def test_style_size(files, stylizer):
    out = files / "out.jpg"
    arguments = ["stylize", str(files / "photo.png"), str(files / "starry_night.png"), "-o", str(out)]
    assert main([*arguments, "--style-size", "32"]) == 0
    small = pixels(out)
    assert main([*arguments, "--style-size", "0"]) == 0
    assert not torch.equal(small, pixels(out))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png"], "missing.png: expected an image file, found nothing"),
        (["starry_night.png", "--alpha", "2"], "alpha: expected a number from 0"),
        (["starry_night.png", "--weights", "1", "2"], "expected one weight for each style, found 1 and 2"),
        (["starry_night.png", "--mask", "left.png", "right.png"], "masks: expected none, one"),
        (["starry_night.png", "--decoder", "left.png"], "left.png: expected a complete safetensors file"),
        (["starry_night.png", "--device", "quantum"], "device: expected auto, cpu"),
        (["starry_night.png", "--style-size", "-1"], "style size: expected 0 or a number"),
        (["starry_night.png", "--feather", "-8"], "feather: expected a number of pixels of at least 0, found -8"),
        (["starry_night.png", "--feather", "8"], "feather: expected a mask, whose edges become soft, found none"),
        (
            ["starry_night.png", "--style-mask", "left.png", "left.png"],
            "style masks: expected none, or one for each of",
        ),
        (["starry_night.png", "--style-mask", "black.png"], "black.png: expected a style mask with some white in it"),
        (["starry_night.png", "--channels", "dots"], "or one of figures, small shapes, rough texture"),
        (["starry_night.png", "--pair", "light", "--channels", "dark spots"], "expected entries such as '0-63:1' or"),
    ],
)
def test_mistakes_are_one_line(files, capsys, arguments, message):
    status, out = stylize(files, *arguments)
    assert status == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not out.exists()


@pytest.mark.slow
def test_as_a_user_starts_it(files):
    command = [sys.executable, "-m", "adain_core", "stylize", files / "photo.png", files / "none.jpg", "-o"]
    run = subprocess.run([*command, files / "out.gif"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "expected a name ending in .png" in run.stderr
    assert "Traceback" not in run.stderr
    run = subprocess.run([*command, files / "out.png"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    run = subprocess.run([sys.executable, "-m", "adain_core"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2


def test_regions_in_another_order(files):
    """The order of the styles does not matter where their masks overlap."""
    whole = Image.new("L", (90, 70), 255)
    whole.save(files / "whole.png")
    results = []
    for order in ((0, 1), (1, 0)):
        styles, masks = (
            [names[k] for k in order] for names in (["starry_night.png", "safe_landing.png"], ["whole.png", "left.png"])
        )
        status, out = stylize(files, *styles, "--mask", *masks, "--feather", "24")
        assert status == 0
        results.append(pixels(out))
    assert (results[0] - results[1]).abs().max() <= 1 / 255 + 1e-6


def test_one_style_in_two_regions_is_that_style(files):
    _, out = stylize(files, "starry_night.png")
    expected = pixels(out)
    status, out = stylize(files, "starry_night.png", "starry_night.png", "--mask", "left.png", "right.png")
    assert status == 0
    assert (pixels(out) - expected).abs().max() <= 1 / 255 + 1e-6


def test_the_style_of_a_part(files, stylizer):
    painting = pixels(files / "starry_night.png")
    mask = Image.new("L", (40, 32), 0)  # half of the style's size
    mask.paste(255, (0, 0, 24, 32))
    mask.save(files / "sky.png")
    status, out = stylize(files, "starry_night.png", "--style-mask", "sky.png")
    assert status == 0
    photo = pixels(files / "photo.png")
    part = stylizer.style(painting, mask=load_mask(files / "sky.png"))
    same_picture(out, stylizer.stylize(photo, part))
    assert (pixels(out) - stylizer.stylize(photo, painting)).abs().max() > 0.05


def test_channels_by_name_and_number(files, stylizer):
    status, out = stylize(files, "starry_night.png", "--channels", "rough texture, dark spots:0.5, 0-15:0.25")
    assert status == 0
    weights = torch.zeros(1088)
    weights[list(cluster("rough texture"))] = 1
    weights[list(cluster("dark spots"))] = 0.5
    weights[:16] = 0.25
    given = pixels(files / "photo.png"), pixels(files / "starry_night.png")
    same_picture(out, stylizer.stylize(*given, channels=weights))
