"""Image files to tensors and back."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..errors import AdaINError
from ..files import atomic_write, check_folder

WRITABLE = (".png", ".jpg", ".jpeg")
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Picture:
    """An image file's content.

    Attributes:
        pixels: ``[1, 3, H, W]`` RGB 0..1, upright; transparent pixels are blended with white.
        opacity: ``[H, W]`` 0..1, None when the file has no transparency.
        icc_profile: the file's colour profile, to be written with results made from it.
    """

    pixels: Tensor
    opacity: Tensor | None = None
    icc_profile: bytes | None = None


def load_picture(path: str | Path) -> Picture:
    """Reads an image file upright, in RGB.

    EXIF orientation is applied; greyscale, palette and CMYK become RGB; 16-bit greyscale keeps its precision.

    Raises:
        AdaINError: there is no such file, Pillow cannot read it, it is cut short or animated (that is a video), or
            its pixel type has no known range.
    """
    with open_image(path) as image, _decoding(path):
        profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA", "P") else None
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            return Picture(_wide_grey(path, image).expand(1, 3, -1, -1), None, profile)
        if image.mode == "F":
            raise AdaINError(f"{path}: expected 8- or 16-bit pixels, found floating point ones")
        if not image.has_transparency_data:
            return Picture(to_tensor(image.convert("RGB")), None, profile)
        image = image.convert("RGBA")
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    colour, opacity = values[:3], values[3]
    return Picture((colour * opacity + (1 - opacity))[None], opacity, profile)


def count_pixels(path: str | Path) -> int:
    """Number of pixels by an image file's header: 0 if it cannot be read, `sys.maxsize` if Pillow refuses its size.

    Pillow refuses images so large that they might be an attack.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return int(image.width * image.height)
    except Image.DecompressionBombError:
        return sys.maxsize
    except Exception:  # as in `_decoding`
        return 0


def load_mask(path: str | Path) -> Tensor:
    """Reads a mask: ``[1, H, W]`` 0..1, the image's brightness (white: stylize), times its opacity if it has one."""
    picture = load_picture(path)
    grey = picture.pixels.mean(dim=1)
    if picture.opacity is not None:
        grey = grey - (1 - picture.opacity)  # without the white that load_picture puts behind transparent pixels
    return grey.clamp(0, 1)


def open_image(path: str | Path) -> Image.Image:
    """Opens and decodes a still image with Pillow; AdaINError as `load_picture` says."""
    path = Path(path)
    if not path.is_file():
        raise AdaINError(f"{path}: expected an image file, found {'a folder' if path.is_dir() else 'nothing'}")
    with ExitStack() as opened, _decoding(path):
        image: Image.Image = opened.enter_context(Image.open(path))
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":
            raise AdaINError(
                f"{path}: expected a still image, found {frames} frames; "
                "'python -m adain_core video' stylizes moving ones"
            )
        image.load()
        opened.pop_all()
    return image


@contextmanager
def _decoding(path: str | Path) -> Iterator[None]:
    """Turns errors in a file's content into an AdaINError that names the file."""
    try:
        yield
    except (AdaINError, MemoryError):
        raise
    except Exception as error:  # the parsers of Pillow's formats raise errors of many types, arithmetic ones included
        raise AdaINError(f"{path}: expected an image file, found one that cannot be read ({error})") from None


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB Pillow image as ``[1, 3, H, W]`` 0..1."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def to_image(pixels: Tensor) -> Image.Image:
    """``[3, H, W]`` or ``[1, H, W]`` 0..1 as a Pillow image: values clamped, then rounded to the nearest level."""
    levels = (pixels.detach().float().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    array = levels.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def check_writable(path: str | Path) -> Path:
    """Returns the path; AdaINError unless its ending is in `WRITABLE` and files can be written to its folder."""
    path = Path(path)
    if path.suffix.lower() not in WRITABLE:
        raise AdaINError(
            f"{path}: expected a name ending in {', '.join(WRITABLE)}, found {path.suffix or 'no ending'!r}"
        )
    if path.is_dir():
        raise AdaINError(f"{path}: expected a file to write, found a folder")
    check_folder(path.parent)
    return path


def save_picture(path: str | Path, picture: Picture) -> None:
    """Writes PNG or JPEG by the name's ending, atomically; transparency is kept in PNG.

    Raises:
        AdaINError: as `check_writable`.
    """
    path = check_writable(path)
    image = to_image(picture.pixels[0])
    extra: dict[str, Any] = {"icc_profile": picture.icc_profile} if picture.icc_profile else {}
    if path.suffix.lower() == ".png":
        if picture.opacity is not None:
            image.putalpha(to_image(picture.opacity[None]))
    else:
        extra |= {"quality": JPEG_QUALITY, "subsampling": 0}
    with atomic_write(path) as temporary:
        image.save(temporary, **extra)


def _wide_grey(path: str | Path, image: Image.Image) -> Tensor:
    """16-bit greyscale (Pillow's I;16, or I for some files) as ``[1, 1, H, W]`` 0..1."""
    values = torch.from_numpy(np.array(image).astype(np.int64)).double()
    if values.max() > 65535 or values.min() < 0:
        raise AdaINError(f"{path}: expected 8- or 16-bit pixels, found 32-bit ones")
    return (values / 65535).float()[None, None]
