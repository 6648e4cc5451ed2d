"""What image files say of colours beside an ICC profile, as such a profile: chunks of PNG, nclx of AVIF, EXIF."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from .formats import readable
from .heif_boxes import coded_colors, is_heif

_PNG = b"\x89PNG\r\n\x1a\n"
_LONGEST = 64  # bytes; chunks that tell colours are shorter
_D50 = (0.9642, 1.0, 0.8249)  # XYZ of the white that colours of a profile are relative to
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

# xy of red, green, blue and white. The numbers of cICP are those of ITU-T H.273.
Primaries = tuple[float, float, float, float, float, float, float, float]
_D65 = (0.3127, 0.3290)
_SRGB: Primaries = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65)
_ADOBE_RGB: Primaries = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *_D65)
_CICP_PRIMARIES: dict[int, Primaries] = {
    1: _SRGB,
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
}
# Exponents by the numbers of cICP; 0: sRGB's curve, which is also what pictures with a camera's curve are seen by.
_CICP_CURVES = {1: 0.0, 4: 2.2, 5: 2.8, 6: 0.0, 8: 1.0, 13: 0.0, 14: 0.0, 15: 0.0}
_CICP_HDR = {16: "PQ", 18: "HLG"}
_ADOBE_GAMMA = 563 / 256
_SRGB_GAMMA = 1 / 2.2
_LEAST_AREA = 0.01  # twice that of the triangle of primaries; sRGB's is 0.22
_SAME_GAMMA = 0.05  # of it; PNGs of that gamma, as programs write it for sRGB, have sRGB's curve


class UnknownColours(ValueError):
    """Colours that are told but cannot be converted; the message goes on after 'its colour profile'."""


def told_profile(path: str | Path, embedded: bytes | None) -> bytes | None:
    """The ICC profile of a file's RGB or grey pixels.

    Args:
        path: of an image file.
        embedded: the profile in it, if any. Only a PNG's cICP chunk comes before it.

    Returns:
        The embedded one; or one made from a PNG's cICP, gAMA and cHRM, from nclx of AVIF and HEIC, or from EXIF that
        says Adobe RGB. None: the numbers are sRGB's.

    Raises:
        UnknownColours: a cICP chunk or nclx of high dynamic range or unknown codes, and no profile in its place.
    """
    with Path(path).open("rb") as file:
        start = file.read(len(_PNG))
    if start == _PNG:
        return _of_png(dict(_png_chunks(path)), embedded)
    coded = coded_colors(path) if embedded is None and is_heif(start) else None
    if coded is not None:
        return _of_heif(*coded)
    return _profile(_ADOBE_RGB, _ADOBE_GAMMA) if embedded is None and _says_adobe_rgb(path) else embedded


def _of_png(chunks: dict[bytes, bytes], embedded: bytes | None) -> bytes | None:
    """In the order that the PNG specification gives them, third edition, 4.3."""
    cicp = tuple(chunks.get(b"cICP", b""))
    if len(cicp) == 4 and 2 not in cicp[:2]:  # 2: not specified
        unknown = _unknown(cicp)
        if unknown is None:
            return _profile(_CICP_PRIMARIES[cicp[0]], _CICP_CURVES[cicp[1]])
        if embedded is None:
            raise UnknownColours(unknown)
    if embedded is not None or b"sRGB" in chunks:
        return embedded
    gamma = int.from_bytes(chunks.get(b"gAMA", b""), "big") / 100_000
    primaries = chunks.get(b"cHRM", b"")
    if not gamma and len(primaries) != 32:
        return None
    exponent = 1 / gamma if gamma and abs(gamma / _SRGB_GAMMA - 1) > _SAME_GAMMA else 0.0
    if len(primaries) != 32:
        return _profile(_SRGB, exponent)
    white, red, green, blue = np.array(struct.unpack(">8I", primaries)).reshape(4, 2) / 100_000
    area = np.linalg.det([red - green, blue - green])
    if abs(area) < _LEAST_AREA or min(red[1], green[1], blue[1], white[1]) <= 0:
        return None  # numbers of no colours
    return _profile((*red, *green, *blue, *white), exponent)


def _of_heif(primaries: int, curve: int) -> bytes:
    """Decoders make RGB of these files' YCbCr, in the primaries and with the curve they have. 2: not specified."""
    if curve in _CICP_HDR:
        raise UnknownColours(f"(nclx) is of high dynamic range, {_CICP_HDR[curve]}, which is not converted")
    primaries, curve = (1 if primaries == 2 else primaries), (13 if curve == 2 else curve)
    if primaries not in _CICP_PRIMARIES or curve not in _CICP_CURVES:
        raise UnknownColours(f"(nclx {primaries}, {curve}) is not known")
    return _profile(_CICP_PRIMARIES[primaries], _CICP_CURVES[curve])


def _unknown(cicp: tuple[int, ...]) -> str | None:
    """Why the colours of a cICP chunk are not converted; None if they are."""
    primaries, curve, matrix, full_range = cicp
    if curve in _CICP_HDR:
        return f"(cICP) is of high dynamic range, {_CICP_HDR[curve]}, which is not converted"
    known = primaries in _CICP_PRIMARIES and curve in _CICP_CURVES and (matrix, full_range) == (0, 1)
    return None if known else f"(cICP {', '.join(map(str, cicp))}) is not known"


def _png_chunks(path: str | Path) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of whole, short chunks before the pixels."""
    with Path(path).open("rb") as file:
        file.seek(len(_PNG))
        while len(head := file.read(8)) == 8:
            length, name = int.from_bytes(head[:4], "big"), head[4:]
            if name == b"IDAT":
                return
            if length > _LONGEST:
                file.seek(length + 4, 1)
                continue
            data, crc = file.read(length), file.read(4)
            if zlib.crc32(name + data) == int.from_bytes(crc, "big"):
                yield name, data


def _says_adobe_rgb(path: str | Path) -> bool:
    """Whether EXIF says Adobe RGB: by the interoperability index of DCF, or as some cameras, by a colour space of 2."""
    try:
        with Image.open(path, formats=readable()) as image:
            exif = image.getexif()
            if exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace) == 2:
                return True  # before the index: Pillow 12 raises where there is none
            return str(exif.get_ifd(ExifTags.IFD.Interop).get(1, "")).rstrip("\0") == "R03"
    except Exception:  # whatever the parser of a broken block raises, or of a file that only libvips reads
        return False


@functools.lru_cache(maxsize=64)
def _profile(primaries: Primaries, exponent: float) -> bytes:
    """A profile for RGB, version 4, in its smallest form: primaries and one curve. Exponent 0: sRGB's curve."""
    xy = np.array(primaries, float).reshape(4, 2)
    xyz = np.column_stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(axis=1)) / xy[:, 1]]).T
    to_xyz = xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
    cones = _BRADFORD @ np.column_stack([xyz[:, 3], _D50])
    to_d50 = np.linalg.solve(_BRADFORD, np.diag(cones[:, 1] / cones[:, 0])) @ _BRADFORD @ to_xyz
    if exponent:
        curve = struct.pack(">4sIHHi", b"para", 0, 0, 0, _fixed(exponent))
    else:
        numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        curve = struct.pack(">4sIHH5i", b"para", 0, 3, 0, *map(_fixed, numbers))
    tags = [(name, b"XYZ " + bytes(4) + _xyz(column)) for name, column in zip("rgb", to_d50.T, strict=True)]
    body, table = b"", b""
    start = 128 + 4 + 12 * 7
    for name, data in [*((f"{n}XYZ", d) for n, d in tags), ("wtpt", b"XYZ " + bytes(4) + _xyz(_D50))]:
        table += name.encode() + struct.pack(">II", start + len(body), len(data))
        body += data
    for name in ("rTRC", "gTRC", "bTRC"):
        table += name.encode() + struct.pack(">II", start + len(body), len(curve))
    body += curve
    header = struct.pack(">I4xI4s4s4s", start + len(body), 0x04300000, b"mntr", b"RGB ", b"XYZ ") + bytes(12)
    header += b"acsp" + bytes(28) + _xyz(_D50) + bytes(48)
    return header + struct.pack(">I", 7) + table + body


def _xyz(values: tuple[float, float, float] | np.ndarray) -> bytes:
    return struct.pack(">3i", *map(_fixed, values))


def _fixed(value: float) -> int:
    """As s15Fixed16Number."""
    return round(value * 65536)
