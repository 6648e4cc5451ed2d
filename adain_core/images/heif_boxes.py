"""What AVIF and HEIC files say of their colours without an ICC profile: the box ``nclx``.

Files of ISO/IEC 14496-12 and 23008-12 are boxes: a length, a name, contents. ``meta`` names the picture among the
file's items (``pitm``), all properties (``ipco``) and which of them an item has (``ipma``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_LARGEST = 1 << 24  # bytes of a box ``meta``
_FULL = 4  # bytes of version and flags, before the contents of some boxes


def is_heif(start: bytes) -> bool:
    """Whether a file that starts so is one of these."""
    return start[4:8] == b"ftyp"


def coded_colors(path: str | Path) -> tuple[int, int] | None:
    """Primaries and transfer of a file's picture by the numbers of ITU-T H.273; None where they are not told."""
    try:
        with Path(path).open("rb") as file:
            return _of_meta(dict(_boxes(_meta(file)[_FULL:])))
    except (KeyError, IndexError):  # not there, or damaged
        return None


def _of_meta(meta: dict[bytes, bytes]) -> tuple[int, int] | None:
    item = meta[b"pitm"]
    picture = _number(item[_FULL:], 2 if item[0] == 0 else 4)
    described = dict(_boxes(meta[b"iprp"]))
    properties = list(_boxes(described[b"ipco"]))
    for place in _properties_of(described[b"ipma"], picture):
        name, data = properties[place - 1]
        if name == b"colr" and data[:4] == b"nclx":
            return _number(data[4:], 2), _number(data[6:], 2)
    return None


def _properties_of(box: bytes, picture: int) -> list[int]:
    """The places, counted from 1, of an item's properties."""
    named, wide = (2 if box[0] == 0 else 4), bool(box[3] & 1)
    position = _FULL + 4
    for _ in range(_number(box[_FULL:], 4)):
        item, count = _number(box[position:], named), box[position + named]
        position += named + 1
        width = 2 if wide else 1
        places = [_number(box[position + k * width :], width) for k in range(count)]
        position += count * width
        if item == picture:
            return [place & (0x7FFF if wide else 0x7F) for place in places]
    return []


def _meta(file: BinaryIO) -> bytes:
    while len(head := file.read(8)) == 8:
        length, skipped = _number(head, 4), 8
        if length == 1:
            length, skipped = _number(file.read(8), 8), 16
        if head[4:] == b"meta" and skipped <= length <= _LARGEST:
            return file.read(length - skipped)
        if length < skipped:  # 0: up to the end of the file
            break
        file.seek(length - skipped, 1)
    raise KeyError("meta")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        length = _number(data[position:], 4)
        end = position + length if length >= 8 else len(data)
        yield data[position + 4 : position + 8], data[position + 8 : end]
        position = end


def _number(data: bytes, length: int) -> int:
    if len(data) < length:
        raise IndexError("a number that is cut short")
    return int.from_bytes(data[:length], "big")
