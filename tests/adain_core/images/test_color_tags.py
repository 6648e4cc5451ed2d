"""Colours told without an ICC profile: PNG chunks by formula, nclx, EXIF; by Pillow and by libvips."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from adain_core import AdaINError
from adain_core.images import files
from adain_core.images.files import load_picture
from adain_core.images.formats import readable
from adain_core.images.heif_boxes import coded_colors
from adain_core.images.large_files import LargeImage

from .profiles import encoded, rgb_profile, to_srgb

LEVELS = np.array([[[150, 120, 90], [90, 130, 100], [100, 100, 140], [20, 20, 20], [128, 128, 128], [250, 250, 250]]])
LEVELS = LEVELS.astype(np.uint8).repeat(16, axis=0).repeat(16, axis=1)
WHOLE = slice(0, LEVELS.shape[0]), slice(0, LEVELS.shape[1])
D65, SRGB = (31270, 32900), (64000, 33000, 30000, 60000, 15000, 6000)
BT2020 = (70800, 29200, 17000, 79700, 13100, 4600)
ADOBE_RGB = (64000, 33000, 21000, 71000, 15000, 6000)
P3 = (68000, 32000, 26500, 69000, 15000, 6000)


def chunk(name: bytes, *numbers: int, kind: str = "I") -> bytes:
    data = struct.pack(f">{len(numbers)}{kind}", *numbers)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(path, *chunks: bytes, levels=LEVELS, **options) -> None:
    Image.fromarray(levels).save(path, **options)
    data = path.read_bytes()
    after_header = 8 + 12 + 13
    path.write_bytes(data[:after_header] + b"".join(chunks) + data[after_header:])


def light(levels, gamma=None):
    """Linear light of levels; without gamma by sRGB's curve."""
    v = np.asarray(levels, float) / 255
    return v**gamma if gamma else np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def matrix(primaries) -> np.ndarray:
    """From linear RGB of these primaries and D65 to XYZ."""
    x, y = np.array(primaries, float).reshape(3, 2).T / 100_000
    columns = np.array([x / y, np.ones(3), (1 - x - y) / y])
    wx, wy = np.array(D65) / 100_000
    return columns * np.linalg.solve(columns, [wx / wy, 1, (1 - wx - wy) / wy])


def converted(levels, primaries=SRGB, gamma=None):
    return encoded(light(levels, gamma) @ (np.linalg.inv(matrix(SRGB)) @ matrix(primaries)).T)


def check(path, expected, atol=1.01) -> None:
    """Pillow's way and that of libvips, which may have no codec for HEIC."""
    ways = [load_picture(path).pixels]
    try:
        ways.append(LargeImage(path).own(*WHOLE))
    except AdaINError:
        assert path.suffix == ".heic"
    for pixels in ways:
        np.testing.assert_allclose(pixels[0].permute(1, 2, 0).numpy() * 255, expected, atol=atol)


CHRM = chunk(b"cHRM", *D65, *ADOBE_RGB)
TOLD = {
    "gAMA": ([chunk(b"gAMA", 55556)], {"gamma": 1.8}),
    "gAMA, linear": ([chunk(b"gAMA", 100_000)], {"gamma": 1.0}),
    "cHRM": ([CHRM], {"primaries": ADOBE_RGB}),
    "gAMA and cHRM": ([chunk(b"gAMA", 55556), CHRM], {"primaries": ADOBE_RGB, "gamma": 1.8}),
    "cICP, Display P3": ([chunk(b"cICP", 12, 13, 0, 1, kind="B")], {"primaries": P3}),
    "cICP, BT.2020": ([chunk(b"cICP", 9, 14, 0, 1, kind="B")], {"primaries": BT2020}),
    "cICP, linear": ([chunk(b"cICP", 1, 8, 0, 1, kind="B")], {"gamma": 1.0}),
    "cICP before the others": (
        [chunk(b"cICP", 12, 13, 0, 1, kind="B"), chunk(b"sRGB", 0, kind="B")],
        {"primaries": P3},
    ),
}


@pytest.mark.parametrize("kind", TOLD)
def test_a_png_that_tells_its_colours(tmp_path, kind):
    chunks, told = TOLD[kind]
    png(tmp_path / "a.png", *chunks)
    expected = converted(LEVELS, **told)
    assert abs(expected - LEVELS).max() > 8
    check(tmp_path / "a.png", expected)


AS_THEY_ARE = {
    "nothing told": [],
    "sRGB": [chunk(b"sRGB", 0, kind="B")],
    "sRGB before gAMA": [chunk(b"gAMA", 55556), CHRM, chunk(b"sRGB", 0, kind="B")],
    "as programs write sRGB": [chunk(b"gAMA", 45455), chunk(b"cHRM", *D65, *SRGB)],
    "cICP, sRGB": [chunk(b"cICP", 1, 13, 0, 1, kind="B")],
    "cICP, not specified": [chunk(b"cICP", 2, 2, 0, 1, kind="B")],
    "gAMA of nothing": [chunk(b"gAMA", 0)],
    "cHRM of no colours": [chunk(b"cHRM", *[0] * 8)],
    "cHRM on a line": [chunk(b"cHRM", *D65, *[30000, 30000] * 3)],
    "a broken chunk": [CHRM[:-1] + bytes([CHRM[-1] ^ 1])],
    "a chunk cut short": [chunk(b"cHRM", *D65)],
}


@pytest.mark.parametrize("kind", AS_THEY_ARE)
def test_numbers_that_stay(tmp_path, caplog, kind):
    png(tmp_path / "a.png", *AS_THEY_ARE[kind])
    if kind == "a broken chunk":  # libvips reads no such file
        found = load_picture(tmp_path / "a.png").pixels[0].permute(1, 2, 0) * 255
        assert found.round().int().tolist() == LEVELS.tolist()
    else:
        check(tmp_path / "a.png", LEVELS, atol=1e-4)
    assert not [record for record in caplog.records if "colour profile (" in record.getMessage()]


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ((9, 16, 0, 1), "(cICP) is of high dynamic range, PQ, which is not converted"),
        ((9, 18, 0, 1), "(cICP) is of high dynamic range, HLG, which is not converted"),
        ((12, 13, 0, 0), "(cICP 12, 13, 0, 0) is not known"),
        ((77, 13, 0, 1), "(cICP 77, 13, 0, 1) is not known"),
    ],
)
def test_what_is_not_converted_is_said_once(tmp_path, caplog, codes, words):
    png(tmp_path / "a.png", chunk(b"cICP", *codes, kind="B"))
    check(tmp_path / "a.png", LEVELS, atol=1e-4)
    (record,) = caplog.records
    assert (
        record.getMessage() == f"warning: {tmp_path / 'a.png'}: its colour profile {words}; colours are taken as sRGB's"
    )


def test_an_icc_profile_comes_after_cicp_and_before_the_rest(tmp_path, caplog):
    for codes, expected in [((12, 13, 0, 1), converted(LEVELS, P3)), ((9, 16, 0, 1), to_srgb(LEVELS))]:
        png(tmp_path / "a.png", chunk(b"cICP", *codes, kind="B"), icc_profile=rgb_profile())
        check(tmp_path / "a.png", expected)
    png(tmp_path / "b.png", chunk(b"gAMA", 100_000), icc_profile=rgb_profile())
    check(tmp_path / "b.png", to_srgb(LEVELS))
    assert not caplog.records


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_with_a_gamma(tmp_path, mode):
    grey = LEVELS[..., 0]
    if mode == "I;16":
        grey = grey.astype(np.uint16) * 257
    elif mode == "LA":
        grey = np.stack([grey, np.full_like(grey, 255)], axis=-1)
    png(tmp_path / "a.png", chunk(b"gAMA", 100_000), levels=grey)
    check(tmp_path / "a.png", encoded(light(LEVELS[..., :1], 1.0)).repeat(3, axis=-1), atol=1.51)


@pytest.mark.parametrize("ending", [".jpg", ".webp"])
@pytest.mark.parametrize(
    ("space", "index", "adobe"), [(0xFFFF, "R03", True), (2, None, True), (1, "R98", False), (None, None, False)]
)
def test_exif_of_cameras(tmp_path, ending, space, index, adobe):
    exif = Image.Exif()
    if space is not None:
        exif.get_ifd(0x8769)[0xA001] = space
    if index is not None:
        exif.get_ifd(0x8769)[0xA005] = {1: index}
    options = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}[ending]
    path = tmp_path / f"_dsc0001{ending}"
    Image.fromarray(LEVELS).save(path, exif=exif, **options)
    check(path, converted(LEVELS, ADOBE_RGB, 563 / 256) if adobe else LEVELS, atol=2.1)
    Image.fromarray(LEVELS).save(path, exif=exif, icc_profile=rgb_profile(), **options)
    check(path, to_srgb(LEVELS), atol=2.1)


def ours(caplog) -> list:
    """What was logged, but by pyvips, which may have no codec for HEIC."""
    return [record for record in caplog.records if not record.name.startswith("pyvips")]


def coded(path, primaries: int, curve: int, **options) -> None:
    """An AVIF or HEIC file that tells its colours by those numbers alone; as rich as the format has it."""
    rich = {"quality": 100, "subsampling": "4:4:4"} if path.suffix == ".avif" else {"quality": 100, "chroma": 444}
    Image.fromarray(LEVELS).save(path, **rich, **options)
    data = bytearray(path.read_bytes())
    place = data.index(b"colrnclx") + 8
    data[place : place + 4] = struct.pack(">2H", primaries, curve)
    path.write_bytes(data)


@pytest.fixture(params=[".avif", ".heic"])
def heif(request, tmp_path):
    """A file's name of one of these formats."""
    if request.param == ".heic":
        pytest.importorskip("pillow_heif")
        readable()  # registers it
    elif not features.check("avif"):
        pytest.skip("needs a Pillow that reads AVIF")
    return tmp_path / f"a{request.param}"


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ((12, 13), {"primaries": P3}),
        ((12, 2), {"primaries": P3}),
        ((9, 1), {"primaries": BT2020}),
        ((1, 8), {"gamma": 1.0}),
        ((1, 13), {}),
        ((2, 2), {}),
    ],
)
def test_colours_of_avif_and_heic_without_a_profile(heif, caplog, codes, told):
    coded(heif, *codes)
    check(heif, converted(LEVELS, **told), atol=3.1 + 10 * ("gamma" in told))  # 8 bits of YCbCr, stretched by a gamma
    assert not ours(caplog)


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ((9, 16), "(nclx) is of high dynamic range, PQ, which is not converted"),
        ((12, 18), "(nclx) is of high dynamic range, HLG, which is not converted"),
        ((77, 13), "(nclx 77, 13) is not known"),
    ],
)
def test_what_of_avif_and_heic_is_not_converted_is_said(heif, caplog, codes, words):
    if heif.suffix == ".heic" and codes[0] == 77:
        pytest.skip("libheif reads no such file")
    coded(heif, *codes)
    check(heif, LEVELS, atol=2.1)
    (record,) = ours(caplog)
    assert record.getMessage() == f"warning: {heif}: its colour profile {words}; colours are taken as sRGB's"


def test_a_profile_of_avif_comes_before_its_numbers(tmp_path, caplog):
    if not features.check("avif"):
        pytest.skip("needs a Pillow that reads AVIF")
    path = tmp_path / "a.avif"
    rich = {"quality": 100, "subsampling": "4:4:4"}
    Image.fromarray(LEVELS).save(path, icc_profile=rgb_profile(), **rich)
    check(path, to_srgb(LEVELS), atol=3.1)
    assert not ours(caplog)


@pytest.mark.parametrize("cut", range(8, 400, 7))
def test_boxes_cut_short_tell_nothing_or_the_same(tmp_path, cut):
    if not features.check("avif"):
        pytest.skip("needs a Pillow that reads AVIF")
    coded(tmp_path / "a.avif", 12, 13)
    data = (tmp_path / "a.avif").read_bytes()
    assert coded_colors(tmp_path / "a.avif") == (12, 13)
    (tmp_path / "b.avif").write_bytes(data[:cut])
    assert coded_colors(tmp_path / "b.avif") in (None, (12, 13))


def test_heic_without_pillow_heif_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "a.heic"
    path.write_bytes(bytes([0, 0, 0, 24]) + b"ftypheic" + bytes(12))
    monkeypatch.setattr(files, "readable", lambda: tuple(set(readable()) - {"HEIF"}))
    with pytest.raises(AdaINError, match=r"found one that Pillow does not read; 'pip install pillow-heif' reads HEIC"):
        load_picture(path)
