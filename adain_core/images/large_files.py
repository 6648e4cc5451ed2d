"""Image files read and written piece by piece with libvips, for images that do not fit into memory."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import AdaINError, reason
from ..files import allocate, atomic_write
from ..method.features import STRIDE
from .color_profiles import INTENT, is_srgb, mode_of, profile_of, say_ignored, srgb_profile, unusable
from .files import JPEG_QUALITY, Picture, check_sides, check_writable, main_page, several_frames
from .formats import VIPS_LOADERS
from .metadata import png_orientation
from .transparency import BLOCK, fill, mean_color

try:
    import pyvips
except (ImportError, OSError):
    pyvips = None

LIBVIPS_BYTES = 160 << 20  # the library, its threads, and images below 100 MB, which it unpacks in memory
_LEVELS = {"uchar": 255, "ushort": 65535}  # the value of white by the type of libvips
_MOVING = ("gifload", "webpload")  # loaders of what the command video reads
_ROWS = 512  # of a mask at a time; a multiple of 8
_SAMPLES = 1024  # pixels along each side that colour statistics are computed from
_PILLOWS = {"b-w": "L", "grey16": "L", "cmyk": "CMYK"}  # modes by the interpretation of libvips, where not RGB


class LargeImage:
    """An image file of which parts are read: upright, RGB in sRGB, 0..1, transparent pixels filled.

    Formats that can only be read from the top (most compressed ones) are unpacked into a temporary file by libvips.

    Args:
        path: the file.

    Attributes:
        size: height and width.

    Raises:
        AdaINError: pyvips is missing, there is no such file, libvips cannot read it, it has several frames or pages,
            or its pixels are neither 8- nor 16-bit grey, RGB or CMYK.
    """

    def __init__(self, path: str | Path) -> None:
        check_pyvips()
        self.path = Path(path)
        if not self.path.is_file():
            found = "a folder" if self.path.is_dir() else "nothing"
            raise AdaINError(f"{path}: expected an image file, found {found}")
        try:
            self._check_format()
            image = self._upright(self._main_page())
            if image.get("vips-loader") == "heifload":  # which may know the file but not its codec
                image.crop(0, 0, 1, 1).numpy()
        except pyvips.Error as error:
            raise self._unreadable(error) from None
        if image.format not in _LEVELS or image.interpretation not in ("srgb", "rgb", "rgb16", "b-w", "grey16", "cmyk"):
            raise AdaINError(
                f"{path}: expected 8- or 16-bit grey, RGB or CMYK pixels in an image too large for the memory allowed, "
                f"found {image.interpretation} of type {image.format}; convert it first"
            )
        self.image = self._in_srgb(image)
        self.size = self.image.height, self.image.width

    def _check_format(self) -> None:
        name = os.fsencode(self.path)
        loader = pyvips.vips_lib.vips_foreign_find_load(name)
        known = loader != pyvips.ffi.NULL
        if known and not pyvips.ffi.string(loader).decode().removeprefix("VipsForeignLoad").startswith(VIPS_LOADERS):
            raise AdaINError(f"{self.path}: expected an image file, found another or a rare kind")

    def _main_page(self) -> pyvips.Image:
        options = {"access": "random", "fail_on": "truncated"}
        image = pyvips.Image.new_from_file(str(self.path), **options)
        count = image.get("n-pages") if image.get_typeof("n-pages") else 1
        if count == 1:
            return image
        if image.get("vips-loader") != "tiffload":
            raise several_frames(self.path, count, image.get("vips-loader") in _MOVING)
        pages = [pyvips.Image.new_from_file(str(self.path), page=page, **options) for page in range(count)]
        return pages[main_page(self.path, [(page.width, page.height) for page in pages])]

    def _upright(self, image: pyvips.Image) -> pyvips.Image:
        """As `metadata.upright`."""
        if image.get("vips-loader") == "pngload":
            image = image.copy()
            image.set_type(pyvips.GValue.gint_type, "orientation", png_orientation(self.path))
        return image.autorot()

    def _in_srgb(self, image: pyvips.Image) -> pyvips.Image:
        """As `color_profiles.to_srgb`."""
        embedded = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else None
        mode = _PILLOWS.get(image.interpretation, "RGB")
        profile = profile_of(self.path, embedded, mode)
        if profile is not None and profile != embedded:
            image = image.copy()
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
        fault = unusable(profile, mode) if profile is not None else None
        if fault:
            say_ignored(self.path, fault)
        elif profile is not None and not is_srgb(profile):
            if mode == "L" and mode_of(profile) == "RGB":
                image = image.colourspace("rgb16" if image.format == "ushort" else "srgb")
            try:
                return image.icc_transform(
                    "srgb",
                    embedded=True,
                    intent=INTENT.name.split("_")[0].lower(),
                    black_point_compensation=True,
                    depth=16 if image.format == "ushort" else 8,
                )
            except pyvips.Error as error:
                say_ignored(self.path, f"cannot be read ({reason(error)})")
        if mode != "CMYK":
            return image
        white = _LEVELS[image.format]  # plain ink, as Pillow takes it
        rgb = (image[:3] * -1 + white) * (image[3] * -1 + white) / white
        wide = image.format == "ushort"
        return rgb.rint().cast(image.format).copy(interpretation="rgb16" if wide else "srgb")

    @cached_property
    def opacity(self) -> pyvips.Image | None:
        """Opacity as a band in 0..255; None for a file without transparency."""
        if not self.image.hasalpha():
            return None
        band = self.image[self.image.bands - 1]
        return band if band.format == "uchar" else (band >> 8).cast("uchar")

    @cached_property
    def _mean(self) -> Tensor | None:
        """The mean colour of what is visible, ``[1, 3, 1, 1]``; None where nothing is transparent, or all is."""
        if not self.image.hasalpha():
            return None
        colour, opacity = self.sample()
        return None if opacity is None else mean_color(colour, opacity[None, None])

    def read(self, rows: slice, columns: slice) -> Tensor:
        """The pixels of these rows and columns, ``[1, 3, h, w]`` RGB 0..1; slices may end outside the image.

        Where they are fully transparent they have the colours near by, see `transparency.fill`.
        """
        if self._mean is None:
            return self.own(rows, columns)
        around = [slice(s.start // BLOCK * BLOCK, -(-s.stop // BLOCK) * BLOCK) for s in (rows, columns)]
        colour, opacity = self._colour_and_opacity(self.image, *around)
        assert opacity is not None
        filled = fill(colour, opacity, self._mean)
        top, left = (s.start - a.start for s, a in zip((rows, columns), around, strict=True))
        return filled[..., top : top + rows.stop - rows.start, left : left + columns.stop - columns.start]

    def own(self, rows: slice, columns: slice) -> Tensor:
        """As `read`, with the file's own colours where it is transparent."""
        return self._colour_and_opacity(self.image, rows, columns)[0]

    def sample(self) -> tuple[Tensor, Tensor | None]:
        """Every n-th pixel both ways, for colour statistics.

        Returns:
            ``[1, 3, h, w]`` RGB 0..1, and how much each counts, ``[h, w]``; None: all the same.
        """
        stride = [max(side // _SAMPLES, 1) for side in self.size]
        thin = self.image.subsample(stride[1], stride[0])
        colour, opacity = self._colour_and_opacity(thin, slice(0, thin.height), slice(0, thin.width))
        return colour, None if opacity is None or not bool((opacity > 0).any()) else opacity[0, 0]

    def scaled(self, side: int) -> Picture:
        """The whole image with a shorter side of that many pixels, about as `files.scaled` scales it."""
        image = self.image
        if self._mean is not None:
            white = _LEVELS[image.format]
            image = image.premultiply(max_alpha=white).resize(side / min(self.size), kernel="linear", gap=0)
            image = image.unpremultiply(max_alpha=white).rint().cast(self.image.format)
        else:
            image = image.resize(side / min(self.size), kernel="linear", gap=0)
        colour, opacity = self._colour_and_opacity(image, slice(0, image.height), slice(0, image.width))
        return Picture(colour, None if opacity is None else opacity[0, 0])

    def opacity_on_feature_grid(self) -> Tensor | None:
        """Opacity over the image's features, ``[1, ceil(H/8), ceil(W/8)]`` 0..1; None: all counts the same."""
        if self._mean is None:
            return None

        def opacity(rows: slice, columns: slice) -> Tensor:
            values = self._colour_and_opacity(self.image, rows, columns)[1]
            assert values is not None
            return values[:, 0]

        return self._pooled(opacity)

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
        return self._pooled(self.weights)

    def _pooled(self, read: Callable[[slice, slice], Tensor]) -> Tensor:
        height, width = self.size
        bands = []
        for top in range(0, height, _ROWS):
            weights = read(slice(top, min(top + _ROWS, height)), slice(0, width))
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
        return AdaINError(f"{self.path}: expected an image file, found one that cannot be read ({reason(error)})")


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
        check_sides(path, size)
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

    def save(self, opacity: pyvips.Image | None = None) -> None:
        """Writes the image, tagged as sRGB, atomically; transparency is kept in PNG, as by `files.save_picture`.

        Args:
            opacity: a band in 0..255; None: none.
        """
        height, width = self._size
        image = pyvips.Image.rawload(str(self._raw), width, height, 3, access="sequential")
        if self._png and opacity is not None:
            image = image.bandjoin(opacity)
        image = image.copy(interpretation="srgb")
        for field in image.get_fields():  # the opacity's band brings its file's metadata along
            image.remove(field)
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", srgb_profile())
        with atomic_write(self._path) as temporary:
            if self._png:
                image.pngsave(str(temporary))
            else:
                image.jpegsave(str(temporary), Q=JPEG_QUALITY, subsample_mode="off")


def check_pyvips() -> None:
    """Raises AdaINError when pyvips is missing, saying how to install it."""
    if pyvips is None:
        raise AdaINError(
            "memory: expected pyvips for an image too large for the memory allowed, found none; "
            "install it with: pip install 'pyvips[binary]'"
        )
    pyvips.cache_set_max(0)  # parts are read once or twice: a cache would only take memory
