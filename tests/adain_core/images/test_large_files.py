"""Image files in parts: libvips against Pillow."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("pyvips")

from adain_core.errors import AdaINError
from adain_core.images import large_files
from adain_core.images.color_profiles import srgb_profile
from adain_core.images.files import load_mask, load_picture, scaled, to_image, to_tensor
from adain_core.images.large_files import LargeImage, LargeResult
from adain_core.method.spatial_masks import to_feature_grid
from tests.adain_core.images.profiles import cmyk_profile, grey_profile, rgb_profile

ORIENTATION = 0x0112
TURNS = (None, None, *(Image.Transpose(kind) for kind in (0, 3, 1, 5, 4, 6, 2)))  # by the number in EXIF
WHOLE = slice(0, 1 << 20)


@pytest.fixture
def photo(examples):
    with Image.open(examples / "content_chelsea.jpg") as image:
        return image.crop((60, 40, 199, 153))


def gradient(size):
    return Image.linear_gradient("L").resize(size)


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "hidden", "L", "LA", "P", "I;16", "rotated", "jpeg"])
def test_pixels_equal_pillows(photo, tmp_path, kind):
    path = tmp_path / ("photo.jpg" if kind == "jpeg" else "photo.png")
    options = {}
    if kind == "I;16":
        photo = Image.fromarray(np.arange(113 * 139, dtype=np.uint16).reshape(113, 139) * 4)
    elif kind == "rotated":
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        options["exif"] = exif
    elif kind == "hidden":
        photo.putalpha(gradient(photo.size).point(lambda v: max(v - 150, 0)))
    elif kind != "jpeg":
        photo = photo.convert(kind)
        if kind.endswith("A"):
            photo.putalpha(gradient(photo.size))
    photo.save(path, **options)
    expected, image = load_picture(path), LargeImage(path)
    assert image.size == tuple(expected.pixels.shape[2:])
    torch.testing.assert_close(image.read(WHOLE, WHOLE), expected.filled, atol=1e-5, rtol=0)
    assert torch.equal(image.own(WHOLE, WHOLE), expected.pixels)
    part = slice(24, 48), slice(80, 1000)
    torch.testing.assert_close(image.read(*part), expected.filled[(..., *part)], atol=1e-5, rtol=0)
    assert torch.equal(image.sample()[0], expected.pixels)
    if expected.opacity is None:
        assert image.sample()[1] is image.opacity_on_feature_grid() is None
    else:
        assert torch.equal(image.sample()[1], expected.opacity)
        places = to_feature_grid(expected.opacity, image.size)
        torch.testing.assert_close(image.opacity_on_feature_grid(), places, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        image.on_feature_grid(), to_feature_grid(load_mask(path), image.size), atol=1e-5, rtol=0, msg=f"mask of {kind}"
    )


XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>%d</tiff:Orientation></x:xmpmeta>'


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("told", ["before the pixels", "behind the pixels", "XMP", "text of old programs", "damaged"])
def test_orientation_of_a_png_wherever_it_is_told(photo, tmp_path, told, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    name, data = b"eXIf", block
    if told == "XMP":
        name, data = b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + (XMP % orientation).encode()
    elif told == "text of old programs":
        name, data = b"tEXt", b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(block), block.hex().encode())
    made = chunk(name, data)
    if told == "damaged":
        made = chunk(name, b"II*\0" + bytes(3))
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    whole = buffer.getvalue()
    place = 33 if told == "before the pixels" else len(whole) - 12
    path = tmp_path / "photo.png"
    path.write_bytes(whole[:place] + made + whole[place:])
    turn = None if told == "damaged" else TURNS[orientation]
    expected = to_tensor(photo if turn is None else photo.transpose(turn))
    assert torch.equal(load_picture(path).pixels, expected)
    assert torch.equal(LargeImage(path).own(WHOLE, WHOLE), expected)


def test_a_sample_has_the_images_colours(photo, tmp_path, monkeypatch):
    photo.save(tmp_path / "photo.png")
    monkeypatch.setattr(large_files, "_SAMPLES", 40)
    sample, _ = LargeImage(tmp_path / "photo.png").sample()
    assert sample.shape[2] < 60
    whole = load_picture(tmp_path / "photo.png").pixels
    torch.testing.assert_close(sample.mean((2, 3)), whole.mean((2, 3)), atol=0.02, rtol=0)


def test_a_mask_of_another_size_is_stretched(tmp_path):
    gradient((64, 48)).save(tmp_path / "mask.png")
    grid = LargeImage(tmp_path / "mask.png").stretched((240, 160)).on_feature_grid()
    assert grid.shape == (1, 30, 20)
    torch.testing.assert_close(grid, to_feature_grid(load_mask(tmp_path / "mask.png"), (240, 160)), atol=0.02, rtol=0)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_result_in_parts(photo, tmp_path, ending):
    """Written in parts, saved tagged as sRGB, and with transparency where the format has it."""
    photo.putalpha(gradient(photo.size))
    photo.save(tmp_path / "photo.png")
    picture = load_picture(tmp_path / "photo.png")
    result = LargeResult(tmp_path / f"out.{ending}", (113, 139), tmp_path)
    for rows in (slice(0, 64), slice(64, 113)):
        for columns in (slice(0, 100), slice(100, 139)):
            result.write(rows, columns, picture.pixels[:, :, rows, columns])
    result.save(LargeImage(tmp_path / "photo.png").opacity)
    with Image.open(tmp_path / f"out.{ending}") as image:
        assert image.info["icc_profile"] == srgb_profile()
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
    Image.fromarray(np.ones((9, 9), dtype=np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(AdaINError, match="of type float"):
        LargeImage(tmp_path / "float.tif")
    photo.save(tmp_path / "moving.gif", save_all=True, append_images=[photo.rotate(90)])
    with pytest.raises(AdaINError, match="expected a still image, found 2 frames"):
        LargeImage(tmp_path / "moving.gif")


def test_a_result_too_wide_for_jpeg(tmp_path):
    with pytest.raises(AdaINError, match=r"at most 65500 pixels a side in a JPEG, found 70000"):
        LargeResult(tmp_path / "out.jpg", (8, 70000), tmp_path)


def test_without_pyvips(photo, tmp_path, monkeypatch):
    photo.save(tmp_path / "photo.png")
    monkeypatch.setattr(large_files, "pyvips", None)
    with pytest.raises(AdaINError, match=r"pip install 'pyvips\[binary\]'"):
        LargeImage(tmp_path / "photo.png")


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
    expected = scaled(load_picture(tmp_path / "style.png"), 50)
    assert found.pixels.shape == expected.pixels.shape
    weights = 1.0 if mode != "RGBA" else expected.opacity
    assert ((found.pixels - expected.pixels) * weights).abs().mean() < 0.006
    if mode == "RGBA":
        assert (found.opacity - expected.opacity).abs().mean() < 0.006


def test_a_style_of_which_nothing_can_be_seen_keeps_its_colours(photo, tmp_path):
    photo.save(tmp_path / "opaque.png")
    photo.putalpha(0)
    photo.save(tmp_path / "style.png")
    for read in (load_picture, LargeImage):
        of_file = scaled if read is load_picture else LargeImage.scaled
        found, opaque = (of_file(read(tmp_path / f"{name}.png"), 50) for name in ("style", "opaque"))
        assert torch.equal(found.filled, opaque.pixels)


PROFILES = {
    "P3": ("RGB", rgb_profile()),
    "P3 with transparency": ("RGBA", rgb_profile()),
    "grey": ("L", grey_profile(1.8)),
    "16-bit grey": ("I;16", grey_profile(1.8)),
    "grey of P3": ("L", rgb_profile(gamma=1.4)),
    "print": ("CMYK", cmyk_profile()),
    "plain ink": ("CMYK", None),
    "broken": ("RGB", b"rubbish"),
    "of another space": ("RGB", cmyk_profile()),
}


@pytest.mark.parametrize("kind", PROFILES)
def test_profiles_as_by_pillow(photo, tmp_path, kind, caplog):
    mode, profile = PROFILES[kind]
    if mode == "I;16":
        photo = Image.fromarray(np.array(photo.convert("L")).astype(np.uint16) * 257)
    else:
        photo = photo.convert(mode)
        if mode == "RGBA":
            photo.putalpha(gradient(photo.size))
    photo.save(tmp_path / "photo.tif", icc_profile=profile)
    found = LargeImage(tmp_path / "photo.tif").own(WHOLE, WHOLE)
    torch.testing.assert_close(found, load_picture(tmp_path / "photo.tif").pixels, atol=2.1 / 255, rtol=0)
    assert len(caplog.records) == (kind in ("broken", "of another space"))


def test_tiffs_with_a_thumbnail_or_a_pyramid(photo, tmp_path):
    small = photo.resize((70, 57))
    small.save(tmp_path / "a.tif", save_all=True, append_images=[photo, photo.resize((35, 28))])
    assert torch.equal(LargeImage(tmp_path / "a.tif").read(WHOLE, WHOLE), load_picture(tmp_path / "a.tif").pixels)
    photo.save(tmp_path / "b.tif", save_all=True, append_images=[photo.rotate(180)])
    with pytest.raises(AdaINError, match="found 2 frames; save the one you want"):
        LargeImage(tmp_path / "b.tif")
