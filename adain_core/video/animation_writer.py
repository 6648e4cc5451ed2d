"""Writes animated GIF and WebP out of finished segments, frame by frame: with their times, transparency and loops."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, features

from ..errors import AdaINError
from ..files import atomic_write
from .pyav import import_av
from .reader import VideoInfo
from .writer import ANIMATIONS, MAX_CRF, segment_pictures

_Picture = Any  # PyAV's frame, in RGBA
_HUNDREDTHS, _MILLISECONDS = 100, 1000  # of a second, in which GIF and WebP count
_SHORTEST = 2  # hundredths; browsers show a GIF's frame that is shorter for ten
_VISIBLE = 128  # of 255: a GIF's pixels are opaque from there on, else transparent
_LARGEST_WEBP = 16383  # pixels a side
_BEST = 100  # quality of WebP
_OPAQUE = 255
# A WebP begins with RIFF, its length, WEBP, and a chunk that says what comes: a moving picture, transparent or not, of
# that size. ANIM says how often it is shown, each ANMF is a frame. Numbers are little-endian, sizes are less 1.
_CHUNK = 8  # bytes, a name and a length
_START = 12 + _CHUNK + 10
_MOVING, _TRANSPARENT, _REPLACES = 0x02, 0x10, 0x02
_PIXELS = (b"VP8 ", b"VP8L", b"ALPH")


def is_animation(path: str | Path) -> bool:
    """Whether a name's ending is one of `ANIMATIONS`."""
    return Path(path).suffix.lower() in ANIMATIONS


def check_animation(path: str | Path, info: VideoInfo) -> None:
    """Raises AdaINError unless an animation of those pictures can be written to a file of that name.

    Args:
        path: only its ending matters.
        info: of the pictures.
    """
    if Path(path).suffix.lower() == ".gif":
        if not {"palettegen", "paletteuse"} <= set(import_av().filter.filters_available):
            raise AdaINError("video: this PyAV writes no GIFs; 'pip install -U av' installs one that does")
        return
    if not features.check("webp"):
        raise AdaINError("video: this Pillow writes no WebP; 'pip install -U pillow' installs one that does")
    if max(info.size) > _LARGEST_WEBP:
        raise AdaINError(
            f"{path}: expected at most {_LARGEST_WEBP} pixels a side in a WebP, found {max(info.size)}; write a .mkv"
        )


def write_animation(path: Path, segments: Sequence[Path], info: VideoInfo, crf: float, last_duration: int = 0) -> None:
    """Writes segments that were made without a crf as one animation, atomically, a frame at a time.

    Times are rounded to what the format counts in. Frames that a GIF would show for less than 2/100 s, for which
    browsers take 10/100, are left out.

    Args:
        path: one of `ANIMATIONS`.
        segments: in order.
        info: the source's.
        crf: quality of a WebP, 0 (lossless) .. 51; a GIF has none.
        last_duration: for how long the last frame is shown, in units of the source's time base; 0: as others.
    """
    last = (last_duration or info.frame_duration) * info.time_base
    with atomic_write(path) as temporary:
        if path.suffix.lower() == ".gif":
            _write_gif(temporary, segments, info, max(round(last * _HUNDREDTHS), _SHORTEST))
        else:
            with temporary.open("wb") as file:
                _write_webp(file, segments, info, crf, max(round(last * _MILLISECONDS), 1))


def _timed(segments: Sequence[Path], info: VideoInfo, second: int, shortest: int) -> Iterator[tuple[_Picture, int]]:
    """The pictures and when they are shown, in parts of a second; not those that begin too soon after another."""
    before = None
    for picture, stamp in chain.from_iterable(segment_pictures(segment, info) for segment in segments):
        begins = round(stamp * info.time_base * second)
        if before is None or begins - before >= shortest:
            before = begins
            yield picture, begins


def _write_gif(path: Path, segments: Sequence[Path], info: VideoInfo, last: int) -> None:
    """With one palette for all frames: so what stands still does not flicker."""
    av = import_av()
    palette = _palette(segments, info)
    graph = av.filter.Graph()
    source, colors = (
        graph.add_buffer(width=w, height=h, format="rgba", time_base=Fraction(1, _HUNDREDTHS))
        for h, w in (info.size, (palette.height, palette.width))
    )
    mapping = graph.add("paletteuse", f"diff_mode=rectangle:alpha_threshold={_VISIBLE}")
    sink = graph.add("buffersink")
    source.link_to(mapping, 0, 0)
    colors.link_to(mapping, 0, 1)
    mapping.link_to(sink)
    graph.configure()
    colors.push(palette)
    colors.push(None)
    # The format counts repetitions, 0 for ever; -1: none are said, it is shown once.
    loop = -1 if info.plays == 1 else max(info.plays - 1, 0)
    options = {"loop": str(loop), "final_delay": str(last)}
    with av.open(str(path), "w", format="gif", options=options) as container:
        stream: Any = container.add_stream("gif", rate=_HUNDREDTHS)
        stream.height, stream.width = info.size
        stream.pix_fmt = "pal8"
        for picture, begins in chain(_timed(segments, info, _HUNDREDTHS, _SHORTEST), [(None, 0)]):
            if picture is not None:
                picture.pts, picture.time_base = begins, Fraction(1, _HUNDREDTHS)
            source.push(picture)
            for mapped in _ready(sink):
                container.mux(stream.encode(mapped))
        container.mux(stream.encode(None))


def _palette(segments: Sequence[Path], info: VideoInfo) -> _Picture:
    """The colours that do best for all frames, one of them transparent, as a small picture."""
    graph = import_av().filter.Graph()
    height, width = info.size
    source = graph.add_buffer(width=width, height=height, format="rgba", time_base=Fraction(1, _HUNDREDTHS))
    choice, sink = graph.add("palettegen"), graph.add("buffersink")
    source.link_to(choice)
    choice.link_to(sink)
    graph.configure()
    for picture, begins in _timed(segments, info, _HUNDREDTHS, _SHORTEST):
        picture.pts, picture.time_base = begins, Fraction(1, _HUNDREDTHS)
        source.push(picture)
        list(_ready(sink))  # nothing yet; but without being asked the filter would keep all pictures
    source.push(None)
    return sink.pull()


def _ready(sink: Any) -> Iterator[_Picture]:
    """What a filter gives without another picture."""
    av = import_av()
    while True:
        try:
            yield sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return


def _write_webp(file: BinaryIO, segments: Sequence[Path], info: VideoInfo, crf: float, last: int) -> None:
    """Each frame whole, so that no more than one is in memory."""
    height, width = info.size
    file.write(bytes(_START))
    file.write(_chunk(b"ANIM", bytes(4) + min(info.plays, 0xFFFF).to_bytes(2, "little")))
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    transparent, before = False, b""
    since = 0

    def add(shown: int) -> None:
        file.write(_chunk(b"ANMF", bytes(6) + size + shown.to_bytes(3, "little") + bytes([_REPLACES]) + before))

    for picture, begins in _timed(segments, info, _MILLISECONDS, 1):
        if before:
            add(begins - since)
        levels = picture.to_ndarray(format="rgba")
        opaque = bool((levels[..., 3] == _OPAQUE).all())
        transparent |= not opaque
        before, since = _still(Image.fromarray(levels[..., :3] if opaque else levels), crf), begins
    add(last)
    length = file.tell()
    flags = _MOVING | (_TRANSPARENT if transparent else 0)
    file.seek(0)
    file.write(b"RIFF" + (length - _CHUNK).to_bytes(4, "little") + b"WEBP")
    file.write(_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size))


def _still(image: Image.Image, crf: float) -> bytes:
    """The chunks of a WebP of one picture that hold its pixels."""
    buffer = io.BytesIO()
    if crf:
        image.save(buffer, "WEBP", quality=_BEST * (1 - crf / (2 * MAX_CRF)))
    else:
        image.save(buffer, "WEBP", lossless=True)
    data, found, at = buffer.getvalue(), [], 12
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + _CHUNK], "little")
        end = at + _CHUNK + length + length % 2
        if data[at : at + 4] in _PIXELS:
            found.append(data[at:end])
        at = end
    return b"".join(found)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)
