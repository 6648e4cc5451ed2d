"""Image files in parts: libvips against Pillow, and the command line with little memory against the plain one."""

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
from adain_core.errors import AdaINError
from adain_core.images import large_files
from adain_core.images.files import load_mask, load_picture, to_image
from adain_core.images.large_files import LargeImage, LargeResult
from adain_core.images.resize import scale_short_side
from adain_core.inference import stylize_file
from adain_core.inference.tiled_image import ImageInMemory
from adain_core.method.spatial_masks import to_feature_grid
from tests.conftest import ROOT

ORIENTATION = 0x0112
WHOLE = slice(0, 1 << 20)


@pytest.fixture
def photo(examples):
    with Image.open(examples / "content_chelsea.jpg") as image:
        return image.crop((60, 40, 199, 153))


def gradient(size):
    return Image.linear_gradient("L").resize(size)


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "L", "LA", "P", "I;16", "rotated", "jpeg"])
def test_pixels_equal_pillows(photo, tmp_path, kind):
    path = tmp_path / ("photo.jpg" if kind == "jpeg" else "photo.png")
    options = {}
    if kind == "I;16":
        photo = Image.fromarray(np.arange(113 * 139, dtype=np.uint16).reshape(113, 139) * 4)
    elif kind == "rotated":
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        options["exif"] = exif
    elif kind != "jpeg":
        photo = photo.convert(kind)
        if kind.endswith("A"):
            photo.putalpha(gradient(photo.size))
    photo.save(path, **options)
    expected, image = load_picture(path), LargeImage(path)
    assert image.size == tuple(expected.pixels.shape[2:])
    torch.testing.assert_close(image.read(WHOLE, WHOLE), expected.pixels, atol=1e-5, rtol=0)
    part = slice(24, 48), slice(80, 1000)
    torch.testing.assert_close(image.read(*part), expected.pixels[(..., *part)], atol=1e-5, rtol=0)
    torch.testing.assert_close(image.sample(), expected.pixels, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        image.mask(image.size), to_feature_grid(load_mask(path), image.size), atol=1e-5, rtol=0, msg=f"mask of {kind}"
    )


def test_a_sample_has_the_images_colours(photo, tmp_path, monkeypatch):
    photo.save(tmp_path / "photo.png")
    monkeypatch.setattr(large_files, "_SAMPLES", 40)
    sample = LargeImage(tmp_path / "photo.png").sample()
    assert sample.shape[2] < 60
    whole = load_picture(tmp_path / "photo.png").pixels
    torch.testing.assert_close(sample.mean((2, 3)), whole.mean((2, 3)), atol=0.02, rtol=0)


def test_a_mask_of_another_size_is_stretched(tmp_path):
    gradient((64, 48)).save(tmp_path / "mask.png")
    places = LargeImage(tmp_path / "mask.png").mask((240, 160))
    assert places.shape == (1, 30, 20)
    torch.testing.assert_close(places, to_feature_grid(load_mask(tmp_path / "mask.png"), (240, 160)), atol=0.02, rtol=0)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_result_in_parts(photo, tmp_path, ending):
    """Written in parts, saved with profile, and with transparency where the format has it."""
    photo.putalpha(gradient(photo.size))
    photo.save(tmp_path / "photo.png")
    picture = load_picture(tmp_path / "photo.png")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    result = LargeResult(tmp_path / f"out.{ending}", (113, 139), tmp_path)
    for rows in (slice(0, 64), slice(64, 113)):
        for columns in (slice(0, 100), slice(100, 139)):
            result.write(rows, columns, picture.pixels[:, :, rows, columns])
    result.save(LargeImage(tmp_path / "photo.png").opacity, profile)
    with Image.open(tmp_path / f"out.{ending}") as image:
        assert image.info["icc_profile"] == profile
        found, expected = np.array(image.convert("RGB"), int), np.array(to_image(picture.pixels[0]), int)
        if ending == "png":
            assert (found == expected).all()
            assert image.getchannel("A").tobytes() == photo.getchannel("A").tobytes()
        else:
            assert image.mode == "RGB"
            assert abs(found - expected).mean() < 2


def test_what_cannot_be_read(photo, tmp_path):
    photo.save(tmp_path / "photo.png")
    whole = (tmp_path / "photo.png").read_bytes()
    (tmp_path / "short.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AdaINError, match=r"short.png: expected an image file, found one that cannot be read"):
        LargeImage(tmp_path / "short.png").read(WHOLE, WHOLE)
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(AdaINError, match=r"text.png: expected an image file, found one that cannot be read"):
        LargeImage(tmp_path / "text.png")
    with pytest.raises(AdaINError, match="expected an image file, found nothing"):
        LargeImage(tmp_path / "none.png")
    photo.convert("CMYK").save(tmp_path / "print.jpg")
    with pytest.raises(AdaINError, match="found cmyk"):
        LargeImage(tmp_path / "print.jpg")
    photo.save(tmp_path / "moving.gif", save_all=True, append_images=[photo.rotate(90)])
    with pytest.raises(AdaINError, match="expected a still image, found 2 frames"):
        LargeImage(tmp_path / "moving.gif")


def test_a_result_too_wide_for_jpeg(tmp_path):
    with pytest.raises(AdaINError, match=r"at most 65535 pixels a side in a JPEG, found 70000"):
        LargeResult(tmp_path / "out.jpg", (8, 70000), tmp_path)


def test_without_pyvips(photo, tmp_path, monkeypatch):
    photo.save(tmp_path / "photo.png")
    monkeypatch.setattr(large_files, "pyvips", None)
    with pytest.raises(AdaINError, match=r"pip install 'pyvips\[binary\]'"):
        LargeImage(tmp_path / "photo.png")


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


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "I;16"])
def test_a_style_in_parts(photo, tmp_path, mode):
    if mode == "I;16":
        photo = Image.fromarray(np.array(photo.convert("L")).astype(np.uint16) * 257)
    else:
        photo = photo.convert(mode)
        if mode == "RGBA":
            photo.putalpha(gradient(photo.size))
    photo.save(tmp_path / "style.png")
    found = LargeImage(tmp_path / "style.png").scaled(50)
    expected = scale_short_side(load_picture(tmp_path / "style.png").pixels, 50)
    assert found.shape == expected.shape
    assert (found - expected).abs().mean() < 0.006


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


@pytest.mark.parametrize("amount", ["100M", "much"])
def test_too_little_memory_is_one_line(stylize, capsys, amount):
    status, out = stylize("out.png", "--max-memory", amount)
    assert status == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    assert "memory: expected" in lines[0]
    assert amount in lines[0]
    assert not out.exists()
