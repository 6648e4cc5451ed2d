"""Image files stylized in tiles, with little memory, against stylized at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

pytest.importorskip("pyvips")

from adain_core.cli.main import main
from adain_core.images import large_files
from adain_core.images.color_profiles import srgb_profile
from adain_core.images.files import load_picture, scaled
from adain_core.inference import stylize_file
from adain_core.inference.stylizer import Stylizer
from adain_core.inference.tiled_image import ImageInMemory
from tests.adain_core.images.profiles import rgb_profile, to_srgb
from tests.conftest import ROOT

ORIENTATION = 0x0112
WHOLE = slice(0, 1 << 20)


@pytest.fixture
def photo(examples):
    with Image.open(examples / "content_chelsea.jpg") as image:
        return image.crop((60, 40, 199, 153))


def gradient(size):
    return Image.linear_gradient("L").resize(size)


@pytest.fixture
def stylize(photo, examples, tmp_path):
    """Runs the command on the photo, of which transparency, colours and EXIF rotation must come through."""
    photo.putalpha(gradient(photo.size).point(lambda v: max(v - 100, 0)))  # partly invisible
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    photo.save(tmp_path / "photo.png", exif=exif, icc_profile=srgb_profile())
    size = photo.height, photo.width
    gradient(size).save(tmp_path / "down.png")
    gradient(size).rotate(180).save(tmp_path / "up.png")
    Image.radial_gradient("L").save(tmp_path / "round.png")
    styles = [str(tmp_path / f"style_{name}.png") for name in ("starry_night", "tissue")]
    for style in styles:
        with Image.open(examples / Path(style).with_suffix(".jpg").name) as image:
            image.resize((90, 72)).save(style)

    def run(name, *arguments):
        out = tmp_path / name
        arguments = [str(tmp_path / a) if a.endswith(".png") else a for a in arguments]
        common = ["stylize", str(tmp_path / "photo.png"), *styles, "--style-size", "128", "-o", str(out)]
        return main([*common, *arguments]), out

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--alpha", "0.7", "--preserve-color"],
        ["--mask", "down.png", "up.png"],
        ["--mask", "down.png"],
        ["--mask", "down.png", "round.png", "--feather", "50"],
        [
            "--mask",
            "down.png",
            "--feather",
            "40",
            "--style-mask",
            "up.png",
            "round.png",
            "--channels",
            "0-255, 300:0.5",
        ],
        ["--alpha", "0"],
        ["--color-after", "--mask", "down.png"],
        ["--pair", "light", "--alpha", "0.7", "--preserve-color"],
        ["--pair", "light", "--mask", "down.png", "up.png"],
    ],
)
def test_little_memory_gives_the_same(stylize, tmp_path, monkeypatch, arguments):
    status, plain = stylize("plain.png", *arguments)
    assert status == 0
    monkeypatch.setattr(stylize_file, "whole_memory", lambda *_: sys.maxsize)
    monkeypatch.setattr(
        stylize_file, "resident_memory", lambda: 600 << 20
    )  # of this process: whatever other tests left
    in_parts = []
    monkeypatch.setattr(stylize_file, "stylize_stream", spy(stylize_file.stylize_stream, in_parts))
    status, small = stylize("small.png", *arguments, "--max-memory", "1168M" if "light" in arguments else "1166M")
    assert status == 0
    assert in_parts
    with Image.open(plain) as one, Image.open(small) as other:
        assert one.size == other.size == (113, 139)
        assert other.info["icc_profile"] == one.info["icc_profile"] == srgb_profile()
        assert other.getexif().get(ORIENTATION, 1) == 1
        difference = abs(np.array(one, int) - np.array(other, int))
    assert difference.max() <= 1
    left = [
        *("down.png", "photo.png", "plain.png", "round.png", "small.png"),
        *("style_starry_night.png", "style_tissue.png", "up.png"),
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == left


@pytest.mark.slow
@pytest.mark.parametrize("reason", ["no libvips", "format"])
@pytest.mark.parametrize("arguments", [["--preserve-color"], ["--mask", "down.png", "up.png"]])
def test_over_the_picture_where_libvips_does_not_help(stylize, tmp_path, monkeypatch, arguments, reason):
    if reason == "format":
        srgb = ImageCms.createProfile("sRGB")
        rgb = Image.open(tmp_path / "photo.png").convert("RGB")
        lab = ImageCms.profileToProfile(rgb, srgb, ImageCms.createProfile("LAB"), outputMode="LAB")
        lab.save(tmp_path / "photo.tif")
        (tmp_path / "photo.tif").replace(tmp_path / "photo.png")  # Pillow and libvips go by the content
    _, plain = stylize("plain.png", *arguments)
    monkeypatch.setattr(stylize_file, "whole_memory", lambda *_: sys.maxsize)
    monkeypatch.setattr(stylize_file, "resident_memory", lambda: 600 << 20)
    if reason == "no libvips":
        monkeypatch.setattr(large_files, "pyvips", None)
    in_parts = []
    monkeypatch.setattr(stylize_file, "stylize_stream", spy(stylize_file.stylize_stream, in_parts))
    status, small = stylize("small.png", *arguments, "--max-memory", "1008M")
    assert status == 0
    assert isinstance(in_parts[0][1], ImageInMemory)
    with Image.open(plain) as one, Image.open(small) as other:
        assert one.mode == other.mode
        assert other.info.get("icc_profile") == one.info.get("icc_profile")
        assert abs(np.array(one, int) - np.array(other, int)).max() <= 1


def test_colours_of_a_result_that_does_not_fit(stylize, monkeypatch, capsys):
    """15707 pixels are some 6 MB too much."""
    monkeypatch.setattr(stylize_file, "resident_memory", lambda: 600 << 20)
    assert stylize("out.png", "--color-after", "--max-memory", "1004M")[0] == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: color: expected")
    assert line.endswith("MiB more to match the colours of the whole result in memory; match them before stylizing")


def test_a_picture_that_does_not_fit_needs_libvips(stylize, monkeypatch, capsys):
    monkeypatch.setattr(large_files, "pyvips", None)
    monkeypatch.setattr(stylize_file, "resident_memory", lambda: 600 << 20)
    assert stylize("out.png", "--max-memory", "1003M")[0] == 2  # 15707 pixels are some 100 KB too much
    assert "pip install 'pyvips[binary]'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_large_style_stays_within_the_memory_allowed(stylize, tmp_path):
    """48 megapixels, 3 GiB when read as a whole."""
    Image.linear_gradient("L").resize((8000, 6000)).convert("RGB").save(tmp_path / "style_tissue.png", compress_level=1)
    code = (
        "import sys; from adain_core.cli.main import main; status = main(sys.argv[1:]);"
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')]); sys.exit(status)"
    )
    arguments = ["stylize", *(tmp_path / name for name in ("photo.png", "style_tissue.png")), "--max-memory", "1200M"]
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments, "-o", tmp_path / "out.png", "--device", "cpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) * 1024 < 1200 << 20
    assert (tmp_path / "out.png").is_file()


def test_a_large_style_as_it_is(stylize, monkeypatch, capsys):
    monkeypatch.setattr(stylize_file, "resident_memory", lambda: 600 << 20)
    assert stylize("out.png", "--style-size", "0", "--max-memory", "1004.8M")[0] == 2
    assert "style size: expected a size for" in capsys.readouterr().err


def spy(function, calls):
    def called(*arguments, **options):
        calls.append(arguments)
        return function(*arguments, **options)

    return called


@pytest.mark.parametrize(("amount", "named"), [("100M", "100 MiB"), ("much", "much")])
def test_too_little_memory_is_one_line(stylize, capsys, amount, named):
    status, out = stylize("out.png", "--max-memory", amount)
    assert status == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    assert "memory: expected" in lines[0]
    assert named in lines[0]
    assert not out.exists()


def test_what_is_checked_before_the_work(stylize, tmp_path, monkeypatch, capsys):
    """The side limit of JPEG, whichever way the image takes."""
    monkeypatch.setattr(Stylizer, "encode", lambda *_, **__: pytest.fail("the work began"))
    Image.new("L", (65501, 8)).save(tmp_path / "photo.png")
    expected = "expected at most 65500 pixels a side in a JPEG, found 65501; write a PNG"
    assert stylize("out.jpg")[0] == 2
    assert expected in capsys.readouterr().err
    monkeypatch.setattr(stylize_file, "whole_memory", lambda *_: sys.maxsize)
    for libvips in (large_files.pyvips, None):
        monkeypatch.setattr(large_files, "pyvips", libvips)
        assert stylize("out.jpg")[0] == 2
        assert expected in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


@pytest.mark.slow
@pytest.mark.parametrize("in_parts", [False, True])
def test_colours_of_another_space_come_out_in_srgb(photo, tmp_path, monkeypatch, in_parts):
    if in_parts:
        monkeypatch.setattr(stylize_file, "whole_memory", lambda *_: sys.maxsize)
    photo.save(tmp_path / "p3.png", icc_profile=rgb_profile())
    command = ["stylize", str(tmp_path / "p3.png"), str(tmp_path / "p3.png"), "--alpha", "0"]
    assert main([*command, "-o", str(tmp_path / "out.png")]) == 0
    with Image.open(tmp_path / "out.png") as image:
        assert abs(np.array(image) - to_srgb(np.array(photo))).max() <= 1.5
        assert image.info["icc_profile"] == srgb_profile()


@pytest.fixture
def cutout(examples, tmp_path):
    """A dark cat, and around it white that nobody sees."""
    with Image.open(examples / "content_chelsea.jpg") as image:
        photo = image.crop((60, 40, 188, 136)).point(lambda v: v // 3)
    shape = Image.new("L", (128, 96), 0)
    shape.paste(255, (32, 24, 96, 72))
    white = Image.new("RGB", (128, 96), "white")
    white.paste(photo, mask=shape)
    white.putalpha(shape)
    white.save(tmp_path / "cutout.png")
    photo.putalpha(shape)
    photo.save(tmp_path / "same.png")  # other colours where nobody sees them
    with Image.open(examples / "style_starry_night.jpg") as image:
        image.resize((90, 72)).save(tmp_path / "style.png")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("arguments", [[], ["--preserve-color"], ["--alpha", "0.5", "--mask", "same.png"]])
def test_invisible_colours_play_no_part(cutout, monkeypatch, arguments, in_parts):
    if in_parts:
        monkeypatch.setattr(stylize_file, "whole_memory", lambda *_: sys.maxsize)
    arguments = [str(cutout / a) if a.endswith(".png") else a for a in arguments]
    results = []
    for content, style in (("cutout", "style"), ("same", "style"), ("style", "cutout"), ("style", "same")):
        command = ["stylize", str(cutout / f"{content}.png"), str(cutout / f"{style}.png")]
        assert main([*command, *arguments, "--style-size", "64", "-o", str(cutout / "out.png")]) == 0
        with Image.open(cutout / "out.png") as image:
            results.append(np.array(image).astype(int))
    for one, other in (results[:2], results[2:]):
        assert one.shape[2] == other.shape[2]
        assert abs(one - other).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("in_parts", [False, True])
def test_alpha_0_gives_a_cutout_back(cutout, monkeypatch, in_parts):
    if in_parts:
        monkeypatch.setattr(stylize_file, "whole_memory", lambda *_: sys.maxsize)
    command = ["stylize", str(cutout / "cutout.png"), str(cutout / "style.png"), "--alpha", "0"]
    assert main([*command, "-o", str(cutout / "out.png")]) == 0
    with Image.open(cutout / "out.png") as found, Image.open(cutout / "cutout.png") as expected:
        assert found.tobytes() == expected.tobytes()


@pytest.mark.slow
def test_no_fringe_over_a_dark_background(cutout, examples):
    """What can be seen is nearly as if the photo went on; with white around it was 130 levels off at the edge."""
    command = ["stylize", str(cutout / "cutout.png"), str(cutout / "style.png"), "--preserve-color"]
    assert main([*command, "-o", str(cutout / "out.png")]) == 0
    whole, style = load_picture(cutout / "same.png"), load_picture(cutout / "style.png")
    stylizer = Stylizer.load(device="cpu")
    like = stylizer.style(scaled(style, 512).pixels, colors=whole.pixels, colors_opacity=whole.opacity)
    expected = stylizer.stylize(whole.pixels, like, opacity=torch.full((96, 128), 0.01).maximum(whole.opacity))
    off = (load_picture(cutout / "out.png").pixels - expected).abs().mean(dim=1)[0, 24:72, 32:96] * 255
    assert torch.cat([off[0], off[-1], off[:, 0], off[:, -1]]).mean() < 20
