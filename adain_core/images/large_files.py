"""Image files read and written piece by piece with libvips, for images that do not fit into memory."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import AdaINError
from ..files import allocate, atomic_write
from ..method.features import STRIDE
from .files import JPEG_QUALITY, check_writable

try:
    import pyvips
except (ImportError, OSError):
    pyvips = None

LIBVIPS_BYTES = 160 << 20  # the library, its threads, and images below 100 MB, which it unpacks in memory
_LEVELS = {"uchar": 255, "ushort": 65535}  # the value of white by the type of libvips
_ROWS = 512  # of a mask at a time; a multiple of 8
_SAMPLES = 1024  # pixels along each side that colour statistics are computed from
_JPEG_SIDE = 65535  # pixels; a JPEG's header has room for no more


class LargeImage:
    """An image file of which parts are read: upright, RGB 0..1, transparent pixels blended with white.

    Formats that can only be read from the top (most compressed ones) are unpacked into a temporary file by libvips.

    Args:
        path: the file.

    Attributes:
        size: height and width.

    Raises:
        AdaINError: pyvips is missing, there is no such file, libvips cannot read it, it has several frames, or its
            pixels are neither 8- nor 16-bit grey or RGB.
    """

    def __init__(self, path: str | Path) -> None:
        check_pyvips()
        self.path = Path(path)
        if not self.path.is_file():
            found = "a folder" if self.path.is_dir() else "nothing"
            raise AdaINError(f"{path}: expected an image file, found {found}")
        try:
            image = pyvips.Image.new_from_file(str(path), access="random", fail_on="truncated").autorot()
        except pyvips.Error as error:
            raise self._unreadable(error) from None
        if image.get_typeof("n-pages") and image.get("n-pages") > 1:
            raise AdaINError(f"{path}: expected a still image, found {image.get('n-pages')} frames")
        if image.format not in _LEVELS or image.interpretation not in ("srgb", "rgb", "rgb16", "b-w", "grey16"):
            raise AdaINError(
                f"{path}: expected 8- or 16-bit grey or RGB pixels in an image too large for the memory allowed, "
                f"found {image.interpretation} of type {image.format}; convert it first"
            )
        self.image = image
        self.size = image.height, image.width

    @property
    def opacity(self) -> pyvips.Image | None:
        """Opacity as a band in 0..255; None for a file without transparency."""
        if not self.image.hasalpha():
            return None
        band = self.image[self.image.bands - 1]
        return band if band.format == "uchar" else (band >> 8).cast("uchar")

    @property
    def icc_profile(self) -> bytes | None:
        """The colour profile of an RGB image; None without one."""
        has = self.image.get_typeof("icc-profile-data") and self.image.bands >= 3
        return self.image.get("icc-profile-data") if has else None

    def read(self, rows: slice, columns: slice) -> Tensor:
        """The pixels of these rows and columns, ``[1, 3, h, w]`` RGB 0..1; slices may end outside the image."""
        return _over_white(*self._colour_and_opacity(self.image, rows, columns))

    def sample(self) -> Tensor:
        """Every n-th pixel both ways, ``[1, 3, h, w]`` RGB 0..1, for colour statistics."""
        stride = [max(side // _SAMPLES, 1) for side in self.size]
        thin = self.image.subsample(stride[1], stride[0])
        return _over_white(*self._colour_and_opacity(thin, slice(0, thin.height), slice(0, thin.width)))

    def scaled(self, side: int) -> Tensor:
        """The whole image with a shorter side of that many pixels, about as `resize.scale_short_side` scales it."""
        image = self.image
        if image.hasalpha():
            image = image.flatten(background=[_LEVELS[image.format]])
        image = image.resize(side / min(self.size), kernel="linear", gap=0)
        colour, _ = self._colour_and_opacity(image, slice(0, image.height), slice(0, image.width))
        return colour

    def stretched(self, size: tuple[int, int]) -> LargeImage:
        """The same image at another height and width, as a mask is brought to the image it masks."""
        if self.size == size:
            return self
        image = copy.copy(self)
        height, width = size
        image.image = self.image.resize(width / self.image.width, vscale=height / self.image.height, kernel="linear")
        image.size = size
        return image

    def weights(self, rows: slice, columns: slice) -> Tensor:
        """This image as a mask: brightness times opacity of these rows and columns, ``[1, h, w]`` 0..1."""
        colour, opacity = self._colour_and_opacity(self.image, rows, columns)
        return (colour if opacity is None else colour * opacity).mean(dim=1).clamp(0, 1)

    def on_feature_grid(self) -> Tensor:
        """This image as a mask over its features, ``[1, ceil(H/8), ceil(W/8)]`` 0..1.

        The mean of `weights` over 8x8 pixels, as by `spatial_masks.to_feature_grid`.
        """
        height, width = self.size
        bands = []
        for top in range(0, height, _ROWS):
            weights = self.weights(slice(top, min(top + _ROWS, height)), slice(0, width))
            bands.append(torch.nn.functional.avg_pool2d(weights, STRIDE, ceil_mode=True, count_include_pad=False))
        return torch.cat(bands, dim=1).clamp(0, 1)

    def _colour_and_opacity(self, image: pyvips.Image, rows: slice, columns: slice) -> tuple[Tensor, Tensor | None]:
        top, left = rows.start, columns.start
        height, width = min(rows.stop, image.height) - top, min(columns.stop, image.width) - left
        try:
            values = image.crop(left, top, width, height).numpy()
        except pyvips.Error as error:
            raise self._unreadable(error) from None
        scale = _LEVELS[image.format]
        values = torch.from_numpy(values.reshape(height, width, -1).astype(np.float32))
        values = values.div_(scale).permute(2, 0, 1)[None]
        opacity = None
        if image.hasalpha():
            values, opacity = values[:, :-1], values[:, -1:]
        return (values if values.shape[1] == 3 else values[:, :1].expand(-1, 3, -1, -1)), opacity

    def _unreadable(self, error: Exception) -> AdaINError:
        reason = " ".join(str(error).split())
        return AdaINError(f"{self.path}: expected an image file, found one that cannot be read ({reason})")


class LargeResult:
    """An image written in parts: its pixels are collected in a raw file, then saved as PNG or JPEG.

    Args:
        path: of the image to write.
        size: its height and width.
        folder: for the raw file, 3 bytes a pixel.

    Raises:
        AdaINError: the ending is neither PNG's nor JPEG's, a side is too long for a JPEG, or the folder has too
            little room.
    """

    def __init__(self, path: str | Path, size: tuple[int, int], folder: Path) -> None:
        self._path = check_writable(path)
        self._png = self._path.suffix.lower() == ".png"
        if not self._png and max(size) > _JPEG_SIDE:
            raise AdaINError(
                f"{path}: expected at most {_JPEG_SIDE} pixels a side in a JPEG, found {max(size)}; write a PNG"
            )
        self._size = size
        self._raw = folder / "pixels"
        allocate(self._raw, size[0] * size[1] * 3, "the result's pixels")

    def write(self, rows: slice, columns: slice, pixels: Tensor) -> None:
        """Takes the pixels of these rows and columns, ``[1, 3, h, w]`` RGB, nominally 0..1.

        They are clamped and rounded to the nearest of 256 levels.
        """
        levels = (pixels[0].float().clamp(0, 1) * 255).round_().to("cpu", torch.uint8).permute(1, 2, 0)
        # Mapped anew each time, so that the process never holds the whole file in memory.
        image = np.memmap(self._raw, np.uint8, "r+", shape=(*self._size, 3))
        image[rows, columns] = levels.numpy()

    def save(self, opacity: pyvips.Image | None = None, icc_profile: bytes | None = None) -> None:
        """Writes the image, atomically; transparency is kept in PNG, as by `files.save_picture`.

        Args:
            opacity: a band in 0..255; None: none.
            icc_profile: a colour profile to write with the image.
        """
        height, width = self._size
        image = pyvips.Image.rawload(str(self._raw), width, height, 3, access="sequential")
        if self._png and opacity is not None:
            image = image.bandjoin(opacity)
        image = image.copy(interpretation="srgb")
        for field in image.get_fields():  # the opacity's band brings its file's metadata along
            image.remove(field)
        if icc_profile:
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc_profile)
        with atomic_write(self._path) as temporary:
            if self._png:
                image.pngsave(str(temporary))
            else:
                image.jpegsave(str(temporary), Q=JPEG_QUALITY, subsample_mode="off")


def _over_white(colour: Tensor, opacity: Tensor | None) -> Tensor:
    return colour if opacity is None else colour * opacity + (1 - opacity)


def check_pyvips() -> None:
    """Raises AdaINError when pyvips is missing, saying how to install it."""
    if pyvips is None:
        raise AdaINError(
            "memory: expected pyvips for an image too large for the memory allowed, found none; "
            "install it with: pip install 'pyvips[binary]'"
        )
    pyvips.cache_set_max(0)  # parts are read once or twice: a cache would only take memory
