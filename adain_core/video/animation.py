"""Animated WebP, which FFmpeg does not read: read with Pillow, as a video without sound."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from ..errors import AdaINError
from ..images.color_profiles import to_srgb
from .reader import SDR, FrameReader, VideoFrame, VideoInfo, VideoReader, part_of

_TIME_BASE = Fraction(1, 1000)  # WebP counts milliseconds
_UNTIMED = 100  # milliseconds that browsers show a frame of duration 0
# In a file: RIFF, its length, WEBP, then chunks, each a name, a length and data. The first one is VP8X if there is more
# than a still image, its first byte says what. Each frame is a chunk ANMF: four numbers, then its duration.
_HEADER, _NAME, _ANIMATED, _DURATION = 12, 4, 0x02, slice(12, 15)


def open_video(path: str | Path, start: float = 0.0, duration: float = 0.0) -> FrameReader:
    """The reader of a video or an animation; arguments and errors are those of `VideoReader`."""
    animated = Path(path).is_file() and _is_animated(Path(path))
    return (AnimationReader if animated else VideoReader)(path, start, duration)


class AnimationReader:
    """The frames of an animated WebP, as `VideoReader`. Where they are transparent they are white."""

    def __init__(self, path: str | Path, start: float = 0.0, duration: float = 0.0) -> None:
        self.path = Path(path)
        self.damaged = self.last_duration = 0
        self.remark = ""
        try:
            with self.path.open("rb") as file, Image.open(self.path) as image:
                self._durations = list(_durations(file))
                size = (image.height, image.width)
        except (OSError, ValueError) as error:
            raise AdaINError(f"{path}: expected an animation, found one that cannot be read ({error})") from None
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
        )
        self.info = part_of(info, start, duration)

    def frames(self, after: int | None = None) -> Generator[VideoFrame, None, None]:
        """The frames, as of `VideoReader`."""
        begun = self.info.start_stamp
        shown = [stamp - begun for stamp in accumulate(self._durations, initial=0)]
        first = 0 if after is None else after + 1
        wanted = [k for k, stamp in enumerate(shown[:-1]) if stamp >= first and not self.info.ends_before(stamp)]
        if after is None and not wanted:
            raise AdaINError(f"{self.path}: expected frames {self.info.part}, found none")
        with Image.open(self.path) as image:
            profile = image.info.get("icc_profile")
            for k in wanted:
                image.seek(k)
                layer = image.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
                self.last_duration = self._durations[k]
                yield VideoFrame(shown[k], np.array(to_srgb(self.path, picture, profile)))


def _is_animated(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_HEADER + 2 * _NAME + 1)
    named = (start[:_NAME], start[2 * _NAME : _HEADER + _NAME]) == (b"RIFF", b"WEBPVP8X")
    return named and bool(start[-1] & _ANIMATED)


def _durations(file: BinaryIO) -> Iterator[int]:
    """For how many milliseconds each frame is shown."""
    file.seek(_HEADER)
    while len(head := file.read(2 * _NAME)) == 2 * _NAME:
        length = int.from_bytes(head[_NAME:], "little")
        padded = length + length % 2
        if head[:_NAME] == b"ANMF":
            data = file.read(_DURATION.stop)
            yield int.from_bytes(data[_DURATION], "little") or _UNTIMED
            padded -= len(data)
        file.seek(padded, 1)
