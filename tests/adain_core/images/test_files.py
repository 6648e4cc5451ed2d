from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngImageFile

from adain_core.errors import AdaINError
from adain_core.images.color_profiles import srgb_profile
from adain_core.images.files import Picture, count_pixels, load_mask, load_picture, save_picture
from tests.adain_core.images.profiles import cmyk_profile, encoded, grey_profile, rgb_profile, to_srgb

ORIENTATION = 0x0112


@pytest.fixture
def rgb():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8))


def tensor_of(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def test_png_round_trip_is_exact(rgb, tmp_path):
    save_picture(tmp_path / "a.png", Picture(tensor_of(rgb)))
    assert torch.equal(load_picture(tmp_path / "a.png").pixels, tensor_of(rgb))


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1"])
def test_other_modes_become_rgb(rgb, tmp_path, mode):
    image = rgb.convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    assert torch.equal(load_picture(path).pixels, tensor_of(image.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(rgb, tmp_path, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    rgb.save(tmp_path / "a.png", exif=exif)
    turns = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Pillow's Transpose values
    upright = rgb if turns[orientation] is None else rgb.transpose(Image.Transpose(turns[orientation]))
    assert torch.equal(load_picture(tmp_path / "a.png").pixels, tensor_of(upright))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_kept_in_png_with_the_files_own_colours(rgb, tmp_path, mode):
    image = rgb.convert(mode)
    opacity = np.zeros((6, 9), dtype=np.uint8)
    opacity[:, 4:] = 255
    image.putalpha(Image.fromarray(opacity))
    image.save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png")
    assert torch.equal(picture.pixels, tensor_of(image.convert("RGB")))
    assert torch.equal(picture.filled[..., 4:], picture.pixels[..., 4:])
    assert picture.weights is picture.opacity
    save_picture(tmp_path / "b.png", picture)
    with Image.open(tmp_path / "b.png") as again:
        assert np.array_equal(np.array(again.getchannel("A")), opacity)
    save_picture(tmp_path / "b.jpg", picture)
    with Image.open(tmp_path / "b.jpg") as again:
        assert again.mode == "RGB"


def test_palette_transparency(tmp_path):
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    picture = load_picture(tmp_path / "a.png")
    assert picture.pixels[0, :, 0, 0].tolist() == [0, 0, 1]
    assert picture.filled[0, :, 2, 2].tolist() == [0, 0, 1]
    assert picture.opacity.sum() == 1


def test_one_grey_that_is_transparent_leaves_the_others_their_profile(tmp_path):
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10)
    image.save(tmp_path / "a.png", icc_profile=grey_profile(1.8))
    image.save(tmp_path / "b.png", icc_profile=grey_profile(1.8), transparency=70)
    opaque, picture = load_picture(tmp_path / "a.png"), load_picture(tmp_path / "b.png")
    assert torch.equal(picture.pixels, opaque.pixels)
    assert (picture.opacity == 0).nonzero().tolist() == [[1, 1]]


def test_sixteen_bit_greyscale_keeps_its_precision(tmp_path):
    values = np.array([[0, 1, 257, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    expected = torch.tensor([0, 1, 257, 65535]) / 65535
    for channel in load_picture(tmp_path / "a.png").pixels[0]:
        torch.testing.assert_close(channel[0], expected)


def test_float_pixels_are_refused(tmp_path):
    Image.fromarray(np.ones((2, 2), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(AdaINError, match="expected 8- or 16-bit pixels"):
        load_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_animations_are_refused(rgb, tmp_path, ending):
    other = rgb.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    rgb.save(tmp_path / f"a.{ending}", save_all=True, append_images=[other])
    with pytest.raises(
        AdaINError, match=r"expected a still image, found 2 frames; .*adain_core video' stylizes moving"
    ):
        load_picture(tmp_path / f"a.{ending}")


def test_files_that_are_no_images(rgb, tmp_path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(AdaINError, match="expected an image file, found one that cannot be read"):
        load_picture(tmp_path / "a.png")
    Image.effect_noise((64, 64), 50).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes((tmp_path / "b.png").read_bytes()[:-500])
    with pytest.raises(AdaINError, match="cannot be read"):
        load_picture(tmp_path / "c.png")
    with pytest.raises(AdaINError, match="found nothing"):
        load_picture(tmp_path / "d.png")
    with pytest.raises(AdaINError, match="found a folder"):
        load_picture(tmp_path)


@pytest.mark.parametrize("error", [ValueError, TypeError, IndexError, EOFError, OverflowError])
def test_whatever_a_parser_raises_is_about_the_file(rgb, tmp_path, monkeypatch, error):
    rgb.save(tmp_path / "a.png")
    closed = []

    def fail(image):
        raise error("parser")

    monkeypatch.setattr(PngImageFile, "load", fail)
    monkeypatch.setattr(PngImageFile, "__exit__", lambda image, *_: closed.append(image))
    with pytest.raises(AdaINError, match=r"a.png: expected an image file, found one that cannot be read \(parser\)"):
        load_picture(tmp_path / "a.png")
    assert len(closed) == 2  # as it is, and without metadata
    monkeypatch.setattr(Image, "open", lambda path: fail(path))
    assert count_pixels(tmp_path / "a.png") == 0


@pytest.mark.parametrize("block", [b"", b"not EXIF at all", b"MM\0*\0\0\0\x08\xff\xff"])
@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_broken_exif_does_not_cost_the_picture(rgb, tmp_path, ending, block):
    rgb.save(tmp_path / f"a.{ending}", exif=b"Exif\0\0" + block, **({"lossless": True} if ending == "webp" else {}))
    with Image.open(tmp_path / f"a.{ending}") as image:
        assert torch.equal(load_picture(tmp_path / f"a.{ending}").pixels, tensor_of(image.convert("RGB")))


@pytest.mark.parametrize("kind", [2, 5, 7, 99])
def test_orientation_beside_values_of_the_wrong_type(rgb, tmp_path, kind):
    """A resolution given as text, as a rational of nothing, without a type, and of a type that does not exist."""
    entries = struct.pack(">HHIHH", ORIENTATION, 3, 1, 6, 0) + struct.pack(">HHI", 0x011A, kind, 4) + b"abc\0"
    rgb.save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 2) + entries + bytes(4))
    expected = tensor_of(rgb.transpose(Image.Transpose.ROTATE_270))
    assert torch.equal(load_picture(tmp_path / "a.png").pixels, expected)


def png_with(path, rgb, name, data, checksum=0):
    rgb.save(path)
    whole = path.read_bytes()
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ checksum)
    path.write_bytes(whole[:33] + chunk + whole[33:])


@pytest.mark.parametrize(
    ("name", "data", "checksum"),
    [
        (b"zTXt", b"prompt\0\0" + zlib.compress(bytes(2 << 20)), 0),  # more text than Pillow unpacks
        (b"tEXt", b"Author\0someone", 1),  # a checksum that is wrong
        (b"gAMA", b"\0", 0),
        (b"iCCP", b"", 0),
    ],
)
def test_broken_png_metadata_does_not_cost_the_picture(rgb, tmp_path, caplog, name, data, checksum):
    png_with(tmp_path / "a.png", rgb, name, data, checksum)
    assert torch.equal(load_picture(tmp_path / "a.png").pixels, tensor_of(rgb))
    assert [r.getMessage() for r in caplog.records] == [
        f"warning: {tmp_path / 'a.png'}: its metadata cannot be read and is left out, a colour profile included"
    ]


def test_transparency_and_frames_survive_broken_metadata(rgb, tmp_path):
    rgb.putpixel((0, 0), (1, 2, 3))
    rgb.save(tmp_path / "plain.png", transparency=(1, 2, 3))
    with Image.open(tmp_path / "plain.png") as image:
        png_with(tmp_path / "a.png", image, b"tEXt", b"", 1)
    assert load_picture(tmp_path / "a.png").opacity[0, 0] == 0


@pytest.mark.parametrize(("marker", "data"), [(0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe")])
def test_broken_jpeg_metadata_does_not_cost_the_picture(rgb, tmp_path, marker, data):
    rgb.save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data
    (tmp_path / "b.jpg").write_bytes(whole[:2] + segment + whole[2:])
    assert torch.equal(load_picture(tmp_path / "b.jpg").pixels, load_picture(tmp_path / "a.jpg").pixels)


def test_tiffs_with_a_thumbnail_or_a_pyramid(tmp_path):
    pages = [Image.effect_noise(size, 60).convert("RGB") for size in ((20, 15), (201, 151), (101, 76), (50, 38))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert torch.equal(load_picture(tmp_path / "a.tif").pixels, tensor_of(pages[1]))
    assert count_pixels(tmp_path / "a.tif") == 201 * 151


@pytest.mark.parametrize("size", [(200, 150), (90, 90), (199, 149)])
def test_tiffs_of_several_pages_are_refused_with_advice(tmp_path, size):
    Image.new("RGB", (200, 150)).save(tmp_path / "a.tif", save_all=True, append_images=[Image.new("RGB", size)])
    with pytest.raises(AdaINError, match="found 2 frames; save the one you want as a file of its own"):
        load_picture(tmp_path / "a.tif")


def test_wide_pixels_without_a_range(tmp_path):
    Image.fromarray(np.array([[0, 1 << 20]], dtype=np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(AdaINError, match=r"a.tif: expected 8- or 16-bit pixels, found 32-bit ones"):
        load_picture(tmp_path / "a.tif")


def test_a_folder_that_cannot_be(rgb, tmp_path):
    (tmp_path / "file.txt").write_text("")
    for name in ("file.txt/out.png", "file.txt/deep/out.png"):
        with pytest.raises(AdaINError, match=r"expected a folder to write to, found .*file.txt to be a file"):
            save_picture(tmp_path / name, Picture(tensor_of(rgb)))


@pytest.mark.parametrize("name", ["b.jpg", "b.png"])
def test_results_are_tagged_as_srgb(rgb, tmp_path, name):
    save_picture(tmp_path / name, Picture(tensor_of(rgb)))
    with Image.open(tmp_path / name) as image:
        assert image.info["icc_profile"] == srgb_profile()
        assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())))
    if name == "b.png":
        assert torch.equal(load_picture(tmp_path / name).pixels, tensor_of(rgb))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_display_p3_becomes_srgb(rgb, tmp_path, mode):
    levels = np.array(rgb) // 2 + 64  # colours that sRGB has
    image = Image.fromarray(levels).convert(mode) if mode != "P" else Image.fromarray(levels).quantize(64)
    image.save(tmp_path / "a.png", icc_profile=rgb_profile())
    picture = load_picture(tmp_path / "a.png")
    expected = to_srgb(np.array(image.convert("RGB")))
    assert abs(picture.pixels[0].permute(1, 2, 0).numpy() * 255 - expected).max() <= 1
    assert abs(np.array(image.convert("RGB")) - expected).max() > 8
    assert (picture.opacity is not None) == (mode == "RGBA")


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_grey_profile(tmp_path, mode):
    levels = np.arange(20, 250, dtype=np.uint8)[None]
    image = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(levels).convert(mode)
    image.save(tmp_path / "a.png", icc_profile=grey_profile(1.8))
    found = load_picture(tmp_path / "a.png").pixels[0, :, 0] * 255
    expected = encoded((levels[0] / 255) ** 1.8)
    assert abs(found.numpy() - expected).max() <= 1
    assert torch.equal(found[0], found[2])
    assert load_mask(tmp_path / "a.png").squeeze() == pytest.approx(expected / 255, abs=1 / 255)


def test_grey_with_a_profile_for_rgb_is_the_grey_of_that_rgb(tmp_path, caplog):
    Image.new("L", (4, 4), 90).save(tmp_path / "a.png", icc_profile=rgb_profile(gamma=1.4))
    expected = to_srgb([90, 90, 90], gamma=1.4)
    assert load_picture(tmp_path / "a.png").pixels[0, :, 0, 0] * 255 == pytest.approx(expected, abs=1)
    assert not caplog.records


def test_printers_colours(tmp_path):
    """The blue that the printer's profile says, L* 47.5, a* -10, b* -50, and not the cyan of plain ink."""
    Image.new("CMYK", (4, 4), (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100, icc_profile=cmyk_profile())
    red, green, blue = (load_picture(tmp_path / "a.jpg").pixels[0, :, 0, 0] * 255).tolist()
    assert red <= 3
    assert abs(green - 120) <= 4
    assert abs(blue - 197) <= 4


def test_lab_pixels(tmp_path):
    Image.new("LAB", (4, 4), (128, 128, 128)).save(tmp_path / "a.tif")
    assert (load_picture(tmp_path / "a.tif").pixels * 255 - 119).abs().max() <= 1  # L* 50 is a grey of 119


@pytest.mark.parametrize(
    ("profile", "reason"),
    [(b"rubbish", "cannot be read"), (cmyk_profile(), "is for CMYK pixels, not for RGB ones")],
)
def test_a_profile_that_cannot_be_used_is_said_once(rgb, tmp_path, caplog, profile, reason):
    rgb.save(tmp_path / "a.png", icc_profile=profile)
    for _ in range(3):
        assert torch.equal(load_picture(tmp_path / "a.png").pixels, tensor_of(rgb))
    (record,) = caplog.records
    assert record.getMessage().startswith(f"warning: {tmp_path / 'a.png'}: its colour profile {reason}")


def test_a_side_too_long_for_a_jpeg(tmp_path):
    with pytest.raises(AdaINError, match=r"out.jpg: expected at most 65500 pixels a side in a JPEG, found 65501"):
        save_picture(tmp_path / "out.jpg", Picture(torch.zeros(1, 3, 1, 65501)))
    save_picture(tmp_path / "out.jpg", Picture(torch.zeros(1, 3, 1, 65500)))
    save_picture(tmp_path / "out.png", Picture(torch.zeros(1, 3, 65501, 1)))


def test_masks(tmp_path):
    Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).save(tmp_path / "grey.png")
    assert load_mask(tmp_path / "grey.png").tolist() == [[[0, 1]]]
    cut_out = Image.new("RGBA", (2, 1), (255, 255, 255, 255))
    cut_out.putpixel((0, 0), (255, 255, 255, 0))
    cut_out.save(tmp_path / "cut.png")
    assert load_mask(tmp_path / "cut.png").tolist() == [[[0, 1]]]


@pytest.mark.parametrize("name", ["a.bmp", "a", "a.gif"])
def test_endings_that_are_not_written(tmp_path, name):
    with pytest.raises(AdaINError, match=r"expected a name ending in \.png"):
        save_picture(tmp_path / name, Picture(torch.rand(1, 3, 2, 2)))
    assert not list(tmp_path.iterdir())
