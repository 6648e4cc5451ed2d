"""Image files stylized in tiles, with little memory, against stylized at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

pytest.importorskip("pyvips")

from adain_core.cli.main import main
from adain_core.images import large_files
from adain_core.inference import stylize_file
from adain_core.inference.tiled_image import ImageInMemory
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
    """Runs the command on the photo, whose transparency, profile and EXIF rotation the result must keep."""
    photo.putalpha(gradient(photo.size))
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo.save(tmp_path / "photo.png", exif=exif, icc_profile=profile)
    size = photo.height, photo.width
    gradient(size).save(tmp_path / "down.png")
    gradient(size).rotate(180).save(tmp_path / "up.png")
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
    "arguments", [["--alpha", "0.7", "--preserve-color"], ["--mask", "down.png", "up.png"], ["--mask", "down.png"]]
)
def test_little_memory_gives_the_same(stylize, tmp_path, monkeypatch, arguments):
    status, plain = stylize("plain.png", *arguments)
    assert status == 0
    monkeypatch.setattr(stylize_file, "whole_memory", lambda pixels: sys.maxsize)
    monkeypatch.setattr(
        stylize_file, "resident_memory", lambda: 600 << 20
    )  # of this process: whatever other tests left
    in_parts = []
    monkeypatch.setattr(stylize_file, "stylize_stream", spy(stylize_file.stylize_stream, in_parts))
    status, small = stylize("small.png", *arguments, "--max-memory", "1164M")
    assert status == 0
    assert in_parts
    with Image.open(plain) as one, Image.open(small) as other:
        assert one.size == other.size == (113, 139)
        assert other.info["icc_profile"] == one.info["icc_profile"]
        assert other.getexif().get(ORIENTATION, 1) == 1
        difference = abs(np.array(one, int) - np.array(other, int))
    assert difference.max() <= 1
    left = ["down.png", "photo.png", "plain.png", "small.png", "style_starry_night.png", "style_tissue.png", "up.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == left


@pytest.mark.slow
@pytest.mark.parametrize("reason", ["no libvips", "format"])
@pytest.mark.parametrize("arguments", [["--preserve-color"], ["--mask", "down.png", "up.png"]])
def test_over_the_picture_where_libvips_does_not_help(stylize, tmp_path, monkeypatch, arguments, reason):
    if reason == "format":
        Image.open(tmp_path / "photo.png").convert("CMYK").save(tmp_path / "photo.tif")
        (tmp_path / "photo.tif").replace(tmp_path / "photo.png")  # Pillow and libvips go by the content
    _, plain = stylize("plain.png", *arguments)
    monkeypatch.setattr(stylize_file, "whole_memory", lambda pixels: sys.maxsize)
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
    assert stylize("out.png", "--style-size", "0", "--max-memory", "1004.4M")[0] == 2
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
