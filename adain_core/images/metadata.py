"""Metadata that is broken must not cost the picture."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_PIXELS = {b"tRNS", b"acTL", b"fcTL", b"fdAT"}  # of what is not critical: transparency, and frames
_PNG_TELLS = {b"eXIf", b"iTXt", b"tEXt", b"zTXt"}  # EXIF in a chunk of its own, or, as XMP and of old programs, as text
_LARGEST = 1 << 20  # bytes of such a chunk
_ADOBE = 12  # bytes of the segment that says how colours are coded
_START_OF_SCAN = 0xDA


def upright(image: Image.Image) -> Image.Image:
    """A decoded image turned as its EXIF orientation says; as it is where that cannot be read.

    Unlike `ImageOps.exif_transpose` this writes no EXIF, which fails at values that are of no known type.
    """
    turn = _TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # whatever the parser of a broken block raises
        return 1


def png_orientation(path: str | Path) -> int:
    """How `upright` turns a PNG file, 1..8, without its pixels.

    It may be told behind them, where libvips does not look. What the file tells is put into a picture of one pixel,
    which Pillow reads as it does the file.
    """
    tiny = io.BytesIO()
    Image.new("L", (1, 1)).save(tiny, "PNG")
    data = tiny.getvalue()
    header = len(_PNG) + 25
    with Path(path).open("rb") as file:
        data = data[:header] + b"".join(_telling_chunks(file)) + data[header:]
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.load()
            return _orientation(image)
    except Exception:  # as in `_orientation`
        return 1


def _telling_chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(len(_PNG))
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] in _PNG_TELLS and length <= _LARGEST:
            yield head + file.read(length + 4)
        else:
            file.seek(length + 4, 1)


def without_metadata(data: bytes) -> bytes | None:
    """A PNG or JPEG file without all that its pixels do not need, colour profile included; None: another format."""
    if data.startswith(_PNG):
        return _PNG + b"".join(_png_chunks(data))
    if data.startswith(_JPEG):
        return _JPEG + b"".join(_jpeg_parts(data))
    return None


def _png_chunks(data: bytes) -> Iterator[bytes]:
    position = len(_PNG)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        name = data[position + 4 : position + 8]
        whole = zlib.crc32(data[position + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        if name[:1].isupper() or (name in _PNG_PIXELS and whole):
            yield data[position:end]
        position = end


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    position = len(_JPEG)
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != _START_OF_SCAN:
        kind = data[position + 1]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        adobe = kind == 0xEE and data[position + 4 : end].startswith(b"Adobe") and end - position - 4 == _ADOBE
        if adobe or not (0xE0 <= kind <= 0xEF or kind == 0xFE):
            yield data[position:end]
        position = end
    yield data[position:]
