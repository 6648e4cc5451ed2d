"""Which image formats are read: those of Pillow's and libvips' that hold pixels."""

from __future__ import annotations

import functools
from contextlib import suppress

from PIL import Image

# Programs that draw: PostScript, which Pillow hands to Ghostscript, and Windows' metafiles, which it hands to Windows.
_PROGRAMS = {"EPS", "WMF"}
# Recognized by Pillow, but not read: arrays of weather services and HDF5, and videos.
_RECOGNIZED = {"BUFR", "GRIB", "HDF5", "MPEG"}
# Of libvips those that it trusts with files of strangers, and that hold pictures: no SVG, PDF, tables of numbers.
VIPS_LOADERS = ("Gif", "Heif", "Jp2k", "Jpeg", "Jxl", "Nsgif", "Png", "Ppm", "Tiff", "Webp")


@functools.cache
def readable() -> tuple[str, ...]:
    """Pillow's names of the formats that are read, HEIC among them where pillow-heif is installed."""
    Image.init()
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    return tuple(sorted(set(Image.OPEN) - _PROGRAMS - _RECOGNIZED))


@functools.cache
def endings() -> frozenset[str]:
    """The endings of their names, in lower case, each with its dot."""
    known = readable()
    return frozenset(ending for ending, format in Image.registered_extensions().items() if format in known)
