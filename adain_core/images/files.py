"""Image files to tensors and back."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import AdaINError, reason
from ..files import atomic_write, check_output
from .color_profiles import grey_curve, profile_of, srgb_profile, to_srgb
from .formats import readable
from .heif_boxes import is_heif
from .metadata import upright, without_metadata
from .resize import scale_short_side
from .transparency import fill, mean_color

log = logging.getLogger(__name__)

WRITABLE = (".png", ".jpg", ".jpeg")
JPEG_QUALITY = 95
_JPEG_SIDE = 65500  # pixels; libjpeg writes no more
_MOVING = ("GIF", "PNG", "WEBP")  # the formats of Pillow's that the command video reads as moving pictures
_SMALLER = 0.6  # of the sides of a TIFF's main page: pages up to that, of the same shape, are copies of it
_SHAPE = 0.05  # by how much shapes of thumbnails differ from rounding


@dataclass(frozen=True)
class Picture:
    """An image file's content.

    Attributes:
        pixels: ``[1, 3, H, W]`` RGB in sRGB, 0..1, upright. Where it is transparent, whatever the file has there.
        opacity: ``[H, W]`` 0..1, None when the file has no transparency.
    """

    pixels: Tensor
    opacity: Tensor | None = None

    @property
    def weights(self) -> Tensor | None:
        """How much each pixel counts in statistics: its opacity ``[H, W]``; None: all the same."""
        return None if self.opacity is None or not bool((self.opacity > 0).any()) else self.opacity

    @property
    def filled(self) -> Tensor:
        """The pixels, where they are fully transparent with the colours near by, see `transparency.fill`."""
        if self.weights is None:
            return self.pixels
        opacity = self.weights[None, None]
        return fill(self.pixels, opacity, mean_color(self.pixels, opacity))


def load_picture(path: str | Path) -> Picture:
    """Reads an image file upright, in sRGB.

    EXIF orientation is applied, and the colour profile, or what PNG chunks or EXIF say in its place; greyscale,
    palette, CMYK and Lab become RGB; 16-bit greyscale keeps its precision. Metadata that cannot be read is left out.

    Raises:
        AdaINError: there is no such file, Pillow cannot read it, it is cut short or has several frames or pages, or
            its pixel type has no known range.
    """
    with open_image(path) as image, _decoding(path):
        profile = profile_of(path, image.info.get("icc_profile") or None, image.mode)
        image = upright(image)
        if image.mode.startswith("I"):
            return Picture(_wide_grey(path, image, profile))
        if image.mode == "F":
            raise AdaINError(f"{path}: expected 8- or 16-bit pixels, found floating point ones")
        opacity = None
        if image.has_transparency_data:
            # Grey stays grey, as its profile is for grey.
            image = image.convert("LA" if image.mode in ("1", "L", "LA") else "RGBA")
            opacity = torch.from_numpy(np.array(image.getchannel("A"))).float() / 255
        if image.mode in ("1", "LA"):
            image = image.convert("L")
        elif image.mode not in ("L", "CMYK", "LAB"):
            image = image.convert("RGB")
        return Picture(to_tensor(to_srgb(path, image, profile)), opacity)


def scaled(picture: Picture, side: int) -> Picture:
    """Scales a picture to that short side, pixels; 0: unchanged. Colours count by their opacity, as where they meet."""
    if side == 0 or picture.opacity is None:
        return replace(picture, pixels=scale_short_side(picture.pixels, side))
    opacity = picture.opacity[None, None]
    small = scale_short_side(opacity, side)
    if picture.weights is None:  # of what cannot be seen at all the file's colours count, as at its own size
        return Picture(scale_short_side(picture.pixels, side), small[0, 0])
    colour = scale_short_side(picture.pixels * opacity, side) / small.clamp(min=torch.finfo(small.dtype).tiny)
    return Picture(colour.clamp(0, 1), small[0, 0])


def count_pixels(path: str | Path) -> int:
    """Number of pixels by an image file's header: 0 if it cannot be read, `sys.maxsize` if Pillow refuses its size.

    Pillow refuses images so large that they might be an attack.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=readable()) as image:
                _to_main_page(path, image)
                return int(image.width * image.height)
    except Image.DecompressionBombError:
        return sys.maxsize
    except Exception:  # as in `_decoding`
        return 0


def load_mask(path: str | Path) -> Tensor:
    """Reads a mask: ``[1, H, W]`` 0..1, the image's brightness (white: stylize), times its opacity if it has one."""
    return brightness(load_picture(path))


def brightness(picture: Picture) -> Tensor:
    """A picture as a mask, as of `load_mask`."""
    grey = picture.pixels.mean(dim=1)
    return (grey if picture.opacity is None else grey * picture.opacity).clamp(0, 1)


def open_image(path: str | Path) -> Image.Image:
    """Opens and decodes a still image with Pillow; AdaINError as `load_picture` says."""
    path = Path(path)
    if not path.is_file():
        raise AdaINError(f"{path}: expected an image file, found {'a folder' if path.is_dir() else 'nothing'}")
    with _decoding(path):
        try:
            return _decoded(path, path)
        except (AdaINError, MemoryError, Image.DecompressionBombError):
            raise
        except Exception:  # as in `_decoding`
            data = path.read_bytes()
            if is_heif(data) and "HEIF" not in readable():
                raise AdaINError(
                    f"{path}: expected an image file, found one that Pillow does not read; "
                    "'pip install pillow-heif' reads HEIC"
                ) from None
            bare = without_metadata(data)
            if bare is None:
                raise
            try:
                image = _decoded(path, io.BytesIO(bare))
            except Exception:
                image = None
            if image is None:
                raise
        log.warning("warning: %s: its metadata cannot be read and is left out, a colour profile included", path)
        return image


def _decoded(path: Path, file: Path | io.BytesIO) -> Image.Image:
    with ExitStack() as opened:
        image: Image.Image = opened.enter_context(Image.open(file, formats=readable()))
        _to_main_page(path, image)
        image.load()
        opened.pop_all()
    return image


def _to_main_page(path: str | Path, image: Image.Image) -> None:
    """Goes to the page that is the picture; AdaINError if several are, or it moves."""
    count = getattr(image, "n_frames", 1)
    if count == 1 or image.format == "MPO":  # a photo and what the camera made beside it
        return
    if image.format != "TIFF":
        raise several_frames(path, count, image.format in _MOVING)
    sizes = []
    for page in range(count):
        image.seek(page)
        sizes.append(image.size)
    image.seek(main_page(path, sizes))


def main_page(path: str | Path, sizes: Sequence[tuple[int, int]]) -> int:
    """Which page of a file the others are smaller copies of, such as thumbnails and pyramids.

    Args:
        path: of the file, for the error.
        sizes: of its pages, width and height.

    Raises:
        AdaINError: the others are pictures of their own.
    """
    main = max(range(len(sizes)), key=lambda page: sizes[page][0] * sizes[page][1])
    width, height = sizes[main]
    for page, (w, h) in enumerate(sizes):
        # Sides are rounded: a thumbnail's shape is known to a pixel only.
        same_shape = abs(w * height - h * width) <= _SHAPE * h * width + max(width, height)
        if page != main and not (same_shape and max(w / width, h / height) <= _SMALLER):
            raise several_frames(path, len(sizes), moving=False)
    return main


def several_frames(path: str | Path, count: int, moving: bool) -> AdaINError:
    """The error for a file of several frames or pages; moving: the command `video` reads it."""
    advice = (
        "'python -m adain_core video' stylizes moving ones"
        if moving
        else "save the one you want as a file of its own, or moving ones as a video"
    )
    return AdaINError(f"{path}: expected a still image, found {count} frames; {advice}")


@contextmanager
def _decoding(path: str | Path) -> Iterator[None]:
    """Turns errors in a file's content into an AdaINError that names the file."""
    try:
        yield
    except (AdaINError, MemoryError):
        raise
    except Exception as error:  # the parsers of Pillow's formats raise errors of many types, arithmetic ones included
        raise AdaINError(f"{path}: expected an image file, found one that cannot be read ({reason(error)})") from None


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB Pillow image as ``[1, 3, H, W]`` 0..1."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def to_image(pixels: Tensor) -> Image.Image:
    """``[3, H, W]`` or ``[1, H, W]`` 0..1 as a Pillow image: values clamped, then rounded to the nearest level."""
    levels = (pixels.detach().float().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    array = levels.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def check_writable(path: str | Path) -> Path:
    """Returns the path; AdaINError unless its ending is in `WRITABLE` and a file of its name can be written."""
    path = Path(path)
    if path.suffix.lower() not in WRITABLE:
        raise AdaINError(f"{path}: expected a name ending in {', '.join(WRITABLE)}, found {path.suffix or 'none'}")
    check_output(path)
    return path


def check_sides(path: str | Path, size: Sequence[int]) -> None:
    """Raises AdaINError when an image of that size has no room in the format that a name ending in means."""
    if Path(path).suffix.lower() != ".png" and max(size) > _JPEG_SIDE:
        raise AdaINError(
            f"{path}: expected at most {_JPEG_SIDE} pixels a side in a JPEG, found {max(size)}; write a PNG"
        )


def save_picture(path: str | Path, picture: Picture) -> None:
    """Writes PNG or JPEG by the name's ending, tagged as sRGB, atomically; transparency is kept in PNG.

    Raises:
        AdaINError: as `check_writable` and `check_sides`.
    """
    path = check_writable(path)
    check_sides(path, picture.pixels.shape[2:])
    image = to_image(picture.pixels[0])
    extra: dict[str, Any] = {"icc_profile": srgb_profile()}
    if path.suffix.lower() == ".png":
        if picture.opacity is not None:
            image.putalpha(to_image(picture.opacity[None]))
    else:
        extra |= {"quality": JPEG_QUALITY, "subsampling": 0}
    with atomic_write(path) as temporary:
        image.save(temporary, **extra)


def _wide_grey(path: str | Path, image: Image.Image, profile: bytes | None) -> Tensor:
    """16-bit greyscale (Pillow's I;16, or I for some files) as ``[1, 3, H, W]`` 0..1."""
    values = torch.from_numpy(np.array(image).astype(np.int64)).double()
    if values.max() > 65535 or values.min() < 0:
        raise AdaINError(f"{path}: expected 8- or 16-bit pixels, found 32-bit ones")
    values /= 65535
    curve = grey_curve(path, profile)
    if curve is None:
        return values.float()[None, None].expand(1, 3, -1, -1)
    levels = [np.interp(values.numpy() * 255, np.arange(256), channel) for channel in curve.T]
    return torch.from_numpy(np.stack(levels)[None]).float() / 255
