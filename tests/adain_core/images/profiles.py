"""ICC profiles made by hand, and colours converted by formula."""

from __future__ import annotations

import struct

import numpy as np

# Red, green and blue of Display P3 in XYZ under D50, as columns; in an sRGB profile; linear light both.
P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
_SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
_WHITE = (0.9642, 1.0, 0.8249)


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(values) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _text(text: str) -> bytes:
    data = text.encode("ascii") + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(data)) + data + bytes(4 + 4 + 2 + 1 + 67)


def _profile(space: bytes, kind: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ") -> bytes:
    tags = {b"desc": _text("test"), b"wtpt": _xyz(_WHITE), b"cprt": b"text\0\0\0\0none\0"} | tags
    header = bytes(4) + b"none" + b"\x02\x40\0\0" + kind + space + connection
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*_WHITE)
    header = header.ljust(128, b"\0")
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data.ljust(-(-len(data) // 4) * 4, b"\0")
    whole = header + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def rgb_profile(primaries=P3, gamma: float = 2.2) -> bytes:
    """A display whose channels are powers of light."""
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    tags = {name: _xyz(column) for name, column in zip(names, primaries.T, strict=True)}
    return _profile(b"RGB ", b"mntr", tags | {name: _gamma(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")})


def grey_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", b"mntr", {b"kTRC": _gamma(gamma)})


def cmyk_profile() -> bytes:
    """A printer whose cyan is a blue and whose black is dark grey, by a table of 2 points along each ink."""
    straight = bytes(range(256))
    points = b""
    for ink in np.ndindex(2, 2, 2, 2):
        c, m, y, k = ink
        lightness = 95 * (1 - 0.5 * c) * (1 - 0.4 * m) * (1 - 0.1 * y) * (1 - 0.8 * k)
        a, b = -10 * c + 60 * m, -50 * c + 80 * y
        points += bytes(round(v) for v in (lightness * 255 / 100, a + 128, b + 128))
    table = (
        b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + 4 * straight + points + 3 * straight
    )
    return _profile(b"CMYK", b"prtr", {b"A2B0": table, b"A2B1": table}, b"Lab ")


def to_srgb(levels, primaries=P3, gamma: float = 2.2):
    """Levels 0..255 of `rgb_profile`, channels last, as those of sRGB, by the profile's formula; not rounded."""
    light = (np.asarray(levels, float) / 255) ** gamma @ primaries.T @ np.linalg.inv(_SRGB).T
    return encoded(light)


def encoded(light):
    """Linear light 0..1 as sRGB's levels 0..255 (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
