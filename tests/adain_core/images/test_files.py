from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngImageFile

from adain_core.errors import AdaINError
from adain_core.images.files import Picture, count_pixels, load_mask, load_picture, save_picture

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
def test_transparency_is_over_white_and_kept_in_png(rgb, tmp_path, mode):
    image = rgb.convert(mode)
    opacity = np.zeros((6, 9), dtype=np.uint8)
    opacity[:, 4:] = 255
    image.putalpha(Image.fromarray(opacity))
    image.save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png")
    assert (picture.pixels[..., :4] == 1).all()
    assert torch.equal(picture.pixels[..., 4:], tensor_of(image.convert("RGB"))[..., 4:])
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
    assert picture.pixels[0, :, 2, 2].tolist() == [1, 1, 1]
    assert picture.opacity.sum() == 1


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
    with pytest.raises(AdaINError, match="expected a still image, found 2 frames"):
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
    assert len(closed) == 1
    monkeypatch.setattr(Image, "open", lambda path: fail(path))
    assert count_pixels(tmp_path / "a.png") == 0


def test_broken_metadata_is_about_the_file(rgb, tmp_path, monkeypatch):
    rgb.save(tmp_path / "a.png")
    monkeypatch.setattr(ImageOps, "exif_transpose", lambda image: image.getexif()["none"])
    with pytest.raises(AdaINError, match=r"a.png: expected an image file"):
        load_picture(tmp_path / "a.png")


def test_wide_pixels_without_a_range(tmp_path):
    Image.fromarray(np.array([[0, 1 << 20]], dtype=np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(AdaINError, match=r"a.tif: expected 8- or 16-bit pixels, found 32-bit ones"):
        load_picture(tmp_path / "a.tif")


def test_a_folder_that_cannot_be(rgb, tmp_path):
    (tmp_path / "file.txt").write_text("")
    for name in ("file.txt/out.png", "file.txt/deep/out.png"):
        with pytest.raises(AdaINError, match=r"expected a folder to write to, found .*file.txt to be a file"):
            save_picture(tmp_path / name, Picture(tensor_of(rgb)))


def test_colour_profile_is_kept(rgb, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb.save(tmp_path / "a.png", icc_profile=profile)
    save_picture(tmp_path / "b.jpg", load_picture(tmp_path / "a.png"))
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["icc_profile"] == profile


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
