"""Animated WebP, PNG and GIF as videos without sound, with their transparency, read with Pillow.

FFmpeg does not read animated WebP, and the others without their transparency and how often they are shown.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import accumulate, islice, takewhile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from ..errors import AdaINError, reason
from ..images.color_profiles import to_srgb
from .reader import SDR, FrameReader, VideoFrame, VideoInfo, VideoReader, part_of

_TIME_BASE = Fraction(1, 1000)  # WebP counts milliseconds
_OPAQUE = 255
_UNTIMED = 100  # milliseconds that browsers show a frame of duration 0
# In a file: RIFF, its length, WEBP, then chunks, each a name, a length and data. The first one is VP8X if there is more
# than a still image, its first byte says what. Each frame is a chunk ANMF: four numbers, then its duration.
_HEADER, _NAME, _ANIMATED, _DURATION = 12, 4, 0x02, slice(12, 15)
# A GIF: header and screen, perhaps a palette, then blocks. An extension's label says what it is; that of a frame's
# control holds its duration in 1/100 s. Data comes in parts, each after its length, up to one of length 0.
_SCREEN, _EXTENSION, _CONTROL, _FRAME, _PALETTE = 13, b"!", b"\xf9", b",", 0x80
# A PNG: a signature, then chunks, each a length, a name, data and a checksum. One before the picture's data says that
# it moves, one before each frame how long it is shown, as numerator and denominator.
_SIGNATURE, _MOVES, _PICTURE, _FRAME_CONTROL = b"\x89PNG\r\n\x1a\n", b"acTL", b"IDAT", b"fcTL"
_CONTROL_LENGTH, _HUNDREDTHS = 26, 100
_FASTEST = 10  # milliseconds; browsers show frames of a GIF that are to be shown for no longer than that as untimed


def open_video(path: str | Path, start: float = 0.0, duration: float = 0.0) -> FrameReader:
    """The reader of a video or an animation; arguments and errors are those of `VideoReader`."""
    animated = Path(path).is_file() and bool(_kind(Path(path)))
    return (AnimationReader if animated else VideoReader)(path, start, duration)


class AnimationReader:
    """The frames of an animated WebP or PNG or of a GIF, as `VideoReader`, with their opacity."""

    def __init__(self, path: str | Path, start: float = 0.0, duration: float = 0.0) -> None:
        self.path = Path(path)
        self.damaged = self.last_duration = 0
        self.remark = ""
        try:
            with self.path.open("rb") as file, self._opened() as image:
                # What the file says, and what of it is there.
                said = _DURATIONS[image.format](file)
                # A PNG may have a picture before those of the animation, for programs that show no animations.
                self._first = int(image.info.get("default_image", False))
                self._durations = list(islice(said, getattr(image, "n_frames", 1) - self._first))
                size, loop = (image.height, image.width), image.info.get("loop")
                if image.format == "GIF":  # which counts repetitions, and is shown once without a number
                    loop = 1 if loop is None else loop + (loop > 0)
                if not self._durations:
                    raise ValueError("it has no frames")
        except MemoryError:
            raise
        except Exception as error:  # of many types, as of all of Pillow's parsers
            raise AdaINError(
                f"{path}: expected an animation, found one that cannot be read ({reason(error)})"
            ) from None
        info = VideoInfo(
            size=size,
            time_base=_TIME_BASE,
            rate=len(self._durations) / (sum(self._durations) * _TIME_BASE),
            frames=len(self._durations),
            turns=0,
            display_matrix=None,
            pixel_aspect=None,
            deep=False,
            color=SDR,
            silent=True,
            plays=loop or 0,
        )
        self.info = part_of(info, start, duration)

    def frames(self, after: int | None = None) -> Generator[VideoFrame, None, None]:
        """The frames, as of `VideoReader`."""
        begun = self.info.start_stamp
        shown = [stamp - begun for stamp in accumulate(self._durations, initial=0)]
        self.damaged = 0
        first = 0 if after is None else after + 1
        wanted = [k for k, stamp in enumerate(shown[:-1]) if stamp >= first and not self.info.ends_before(stamp)]
        if after is None and not wanted:
            raise AdaINError(f"{self.path}: expected frames {self.info.part}, found none")
        if after in shown[:-1]:  # of a run that had all frames and was interrupted then
            self.last_duration = self._durations[shown.index(after)]
        with self._opened() as image:
            profile = image.info.get("icc_profile")
            for k in wanted:
                try:
                    image.seek(self._first + k)
                    layer = image.convert("RGBA")
                    layer = layer.crop((0, 0, *self.info.size[::-1]))  # a damaged one may grow
                except MemoryError:
                    raise
                except Exception:  # the file is damaged from here on
                    self.damaged = wanted[-1] + 1 - k
                    if k == wanted[0] and after is None:
                        raise AdaINError(
                            f"{self.path}: expected an animation, found none of its frames intact"
                        ) from None
                    return
                opacity = np.array(layer.getchannel("A"))
                levels = np.array(to_srgb(self.path, layer.convert("RGB"), profile))
                self.last_duration = self._durations[k]
                yield VideoFrame(shown[k], levels, None if (opacity == _OPAQUE).all() else opacity)

    def _opened(self) -> Image.Image:
        return Image.open(self.path, formats=tuple(_DURATIONS))


def _kind(path: Path) -> str:
    """``WebP`` or ``PNG`` of an animated one, ``GIF``, or nothing."""
    with path.open("rb") as file:
        start = file.read(_HEADER + 2 * _NAME + 1)
        if start.startswith(_SIGNATURE):
            names = takewhile(lambda name: name != _PICTURE, (name for name, _ in _png_chunks(file)))
            return "PNG" if _MOVES in names else ""
    if start[:_NAME] == b"GIF8":
        return "GIF"
    named = (start[:_NAME], start[2 * _NAME : _HEADER + _NAME]) == (b"RIFF", b"WEBPVP8X")
    return "WebP" if named and bool(start[-1] & _ANIMATED) else ""


def _webp_durations(file: BinaryIO) -> Iterator[int]:
    """For how many milliseconds each frame of a WebP is shown."""
    file.seek(_HEADER)
    while len(head := file.read(2 * _NAME)) == 2 * _NAME:
        length = int.from_bytes(head[_NAME:], "little")
        padded = length + length % 2
        if head[:_NAME] == b"ANMF":
            data = file.read(_DURATION.stop)
            yield int.from_bytes(data[_DURATION], "little") or _UNTIMED
            padded -= len(data)
        file.seek(padded, 1)


def _gif_durations(file: BinaryIO) -> Iterator[int]:
    """For how many milliseconds each frame of a GIF is shown. One that is cut short ends there."""
    screen = file.read(_SCREEN)
    _skip_palette(file, screen[10])
    duration = 0
    while (block := file.read(1)) in (_EXTENSION, _FRAME):
        if block == _EXTENSION:
            if file.read(1) == _CONTROL:
                duration = 10 * int.from_bytes(file.read(_NAME + 1)[2:4], "little")
        else:
            place = file.read(9)
            if len(place) < 9:
                return
            _skip_palette(file, place[8])
            file.seek(1, 1)  # the code size of its data
            yield duration if duration > _FASTEST else _UNTIMED
            duration = 0
        while length := int.from_bytes(file.read(1), "little"):
            file.seek(length, 1)


def _png_durations(file: BinaryIO) -> Iterator[int]:
    """For how many milliseconds each frame of a PNG is shown; rounding errors do not add up."""
    exact, begun = Fraction(0), 0
    for name, data in _png_chunks(file):
        if name == _FRAME_CONTROL and len(data) == _CONTROL_LENGTH:
            seconds = Fraction(int.from_bytes(data[20:22], "big"), int.from_bytes(data[22:24], "big") or _HUNDREDTHS)
            exact += seconds / _TIME_BASE or _UNTIMED
            shown = max(round(exact) - begun, 1)
            yield shown
            begun += shown


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The name of each chunk, and the beginning of its data."""
    file.seek(len(_SIGNATURE))
    while len(head := file.read(2 * _NAME)) == 2 * _NAME:
        end = file.tell() + int.from_bytes(head[:_NAME], "big")
        yield head[_NAME:], file.read(min(end - file.tell(), _CONTROL_LENGTH))
        file.seek(end + _NAME)


def _skip_palette(file: BinaryIO, flags: int) -> None:
    """Skips the colours that flags tell of."""
    if flags & _PALETTE:
        file.seek(3 << ((flags & 7) + 1), 1)


_DURATIONS = {"GIF": _gif_durations, "PNG": _png_durations, "WEBP": _webp_durations}
