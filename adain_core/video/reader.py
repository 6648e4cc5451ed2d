"""Reads videos: frames upright in RGB, one at a time, and what a stylized video must keep of its source."""

from __future__ import annotations

import functools
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import AdaINError
from .pyav import import_av, open_source, raise_unless_damaged
from .timestamps import clock_offset, stamp_names, timestamps_increase

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.frame import VideoFrame as AVFrame
    from av.video.stream import VideoStream

Levels = NDArray[np.unsignedinteger[Any]]

# As FFmpeg numbers them.
_BT709 = 1  # colour space, primaries and transfer alike
_WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # primaries
_HDR = {16: "PQ", 18: "HLG"}  # transfers
_UNMARKED = 2
_BT601 = 5
_SPACES = (1, 2, 4, 5, 6, 7, 9)  # those FFmpeg converts; 2 as BT.601
_LIMITED, _FULL = 1, 2
# Decoders that name a colour profile in a frame's side data: PyAV 18 frees that name twice, and the process crashes.
_NAMED_PROFILES = ("png", "apng")
_MICROSECONDS = 10**6


@dataclass(frozen=True)
class Color:
    """The coding of colours, in the numbers of ITU-T H.273, which are FFmpeg's; range: 0 unknown, 1 limited, 2 full."""

    space: int
    range: int
    primaries: int
    transfer: int


SDR = Color(_BT709, _LIMITED, _BT709, _BT709)  # of what is made from RGB


@dataclass(frozen=True)
class VideoInfo:
    """What a stylized video shares with its source.

    Attributes:
        size: height and width as shown, upright.
        time_base: seconds per unit of the time stamps.
        rate: frames per second; the mean where it varies.
        frames: how many there are, None when the file does not say; an estimate in some formats.
        turns: counter-clockwise quarter turns that players apply, 0..3.
        display_matrix: those and any mirroring as the file holds them, nine numbers; None: shown as stored.
        pixel_aspect: width of a pixel by its height, as stored.
        deep: more than 8 bits per channel.
        color: of the stored pixels.
        start: the second of the source that is 0 here; what is shown before is left out.
        end: the second of the source from which on nothing is shown; None: all of it.
        silent: there can be no sound, and FFmpeg does not read the file.
        plays: how often an animation is shown; 0: for ever.
        mirrored: whether players exchange left and right after the turns, as of some front cameras.
    """

    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    frames: int | None
    turns: int
    display_matrix: tuple[int, ...] | None
    pixel_aspect: Fraction | None
    deep: bool
    color: Color
    start: Fraction = Fraction(0)
    end: Fraction | None = None
    silent: bool = False
    plays: int = 0
    mirrored: bool = False

    @property
    def stored_size(self) -> tuple[int, int]:
        """Height and width as stored."""
        return self.size if self.turns % 2 == 0 else self.size[::-1]

    @property
    def frame_duration(self) -> int:
        """Units of the time base from frame to frame, at least 1."""
        return max(1, round(1 / (self.rate * self.time_base)))

    @property
    def start_stamp(self) -> int:
        """`start` in units of the time base."""
        return int(self.start / self.time_base)

    def ends_before(self, stamp: int) -> bool:
        """Whether the part is over at a time stamp, which is counted from its start."""
        return self.end is not None and stamp + self.start_stamp >= int(self.end / self.time_base)

    @property
    def part(self) -> str:
        """`start` and `end` in words."""
        return f"from second {float(self.start)}" + ("" if self.end is None else f" to {float(self.end)}")


@dataclass(frozen=True)
class VideoFrame:
    """One frame.

    Attributes:
        pts: when it is shown, in units of the time base, counted from the start.
        levels: ``[H, W, 3]`` RGB, upright; uint8, or uint16 of a deep video.
        opacity: of an animation's frame, ``[H, W]`` uint8; None: nothing is transparent.
    """

    pts: int
    levels: Levels
    opacity: Levels | None = None

    @property
    def on_white(self) -> VideoFrame:
        """The frame as it looks on a white page."""
        if self.opacity is None:
            return self
        share = self.opacity[..., None] / np.float32(255)
        levels = np.rint(self.levels * share + 255 * (1 - share)).astype(np.uint8)
        return VideoFrame(self.pts, levels)


class FrameReader(Protocol):
    """What gives the frames of a video, see `VideoReader`."""

    path: Path
    info: VideoInfo
    remark: str
    damaged: int
    last_duration: int

    def frames(self, after: int | None = None) -> Generator[VideoFrame, None, None]: ...


class VideoReader:
    """A video file.

    Args:
        path: anything FFmpeg reads.
        start: seconds to leave out at the beginning.
        duration: seconds to read from there; 0: to the end.

    Colours of high dynamic range or wide gamut become those of BT.709, where FFmpeg can convert them (since version 8).

    Attributes:
        info: see `VideoInfo`.
        remark: what becomes of unusual colours, for the user; empty: they are usual.
        damaged: how many packets the last reading could not decode so far; they are left out.
        last_duration: for how long the last frame read is shown, in units of the time base; 0 when unknown.

    Raises:
        AdaINError: the file is missing, is no video, or has no frame that can be decoded. While reading: an error
            other than damage to the file.
    """

    def __init__(self, path: str | Path, start: float = 0.0, duration: float = 0.0) -> None:
        self.path = Path(path)
        self.damaged = self.last_duration = 0
        if not self.path.is_file():
            raise AdaINError(f"{path}: expected a video file, found {'a folder' if self.path.is_dir() else 'nothing'}")
        with self._opened() as (container, stream):
            first = next(self._decoded(container, stream), None)
            if first is None:
                raise AdaINError(f"{path}: expected a video, but none of its frames can be decoded")
            info = part_of(_info(container, stream, first), start, duration)
        unusual = [
            names[key] for key, names in ((info.color.transfer, _HDR), (info.color.primaries, _WIDE)) if key in names
        ]
        self._converts = bool(unusual) and converts_colors()
        self.info = replace(info, color=SDR) if self._converts else info
        self.remark = _remark(unusual, self._converts, info.color.transfer in _HDR)
        self.damaged = 0

    def frames(self, after: int | None = None) -> Generator[VideoFrame, None, None]:
        """The frames in the order they are shown in. Those of another size than the first are scaled to it.

        Args:
            after: only frames after the one with this time stamp.

        Raises:
            AdaINError: the part to read has no frames.
        """
        first = self.info.start_stamp
        with self._opened() as (container, stream):
            if after is not None:
                timed = self._later(container, stream, first + after)
            elif first > 0:
                timed = self._from(container, stream, first)
            else:
                timed = self._timed(container, stream)
            empty = after is None
            for pts, frame in timed:
                empty = False
                yield VideoFrame(pts - first, self._upright(frame))
        if empty:
            raise AdaINError(f"{self.path}: expected frames {self.info.part}, found none")

    def _later(self, container: InputContainer, stream: VideoStream, after: int) -> Iterator[tuple[int, AVFrame]]:
        """The frames after a time stamp."""
        sought = self._sought(container, stream, after)
        pts, _ = next(sought, (None, None))
        if pts == after:
            yield from sought
            return
        with self._opened() as (container, stream):
            yield from ((pts, frame) for pts, frame in self._timed(container, stream) if pts > after)

    def _from(self, container: InputContainer, stream: VideoStream, first: int) -> Iterator[tuple[int, AVFrame]]:
        """The frames from a time stamp on."""
        sought = self._sought(container, stream, first)
        found = next(sought, None)
        if found is not None:
            yield from chain([found], sought)
            return
        with self._opened() as (container, stream):
            yield from dropwhile(lambda item: item[0] < first, self._timed(container, stream))

    def _sought(self, container: InputContainer, stream: VideoStream, first: int) -> Iterator[tuple[int, AVFrame]]:
        """The frames from a time stamp on, read from the nearest key frame; none where seeking does not find one."""
        if self._increases_to(first) and self._seek(container, stream, first):
            timed = self._timed(container, stream)
            pts, frame = next(timed, (None, None))
            if pts is not None and frame is not None and frame.key_frame and pts <= first:
                yield from dropwhile(lambda item: item[0] < first, chain([(pts, frame)], timed))

    def _seek(self, container: InputContainer, stream: VideoStream, pts: int) -> bool:
        try:
            container.seek(pts + clock_offset(container, stream), stream=stream)
        except import_av().FFmpegError:
            return False
        return True

    def _increases_to(self, after: int) -> bool:
        """Whether every packet up to then has a time stamp of its own. What `_timed` replaces depends on all before."""
        with self._opened() as (container, stream):
            name, offset = stamp_names(container)[0], clock_offset(container, stream)
            stamps = (getattr(packet, name) for packet in self._packets(container, stream))
            return timestamps_increase(stamps, after + offset)

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        av = import_av()
        try:
            container: Any = open_source(self.path)
        except (av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise AdaINError(f"{self.path}: expected a video file, found one that cannot be read ({reason})") from None
        with container:
            stream = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise AdaINError(f"{self.path}: expected a video, found a file without pictures that can be decoded")
            stream.thread_type = "AUTO"
            yield container, stream

    def _packets(self, container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
        """The packets that hold data, up to the place where the file is damaged or cut short."""
        av = import_av()
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                raise_unless_damaged(error, self.path)
                self.damaged += 1
                return
            if packet is None:
                return
            if packet.size:
                yield packet

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[AVFrame]:
        """FFmpeg's frames. Packets that cannot be decoded are counted and left out, as players do."""
        av = import_av()
        for packet in chain(self._packets(container, stream), [None]):
            try:
                yield from stream.decode(packet)
            except av.EOFError:
                return
            except av.FFmpegError as error:
                raise_unless_damaged(error, self.path)
                self.damaged += 1

    def _timed(self, container: InputContainer, stream: VideoStream) -> Iterator[tuple[int, AVFrame]]:
        """FFmpeg's frames with time stamps that increase: one that is missing or too early is replaced."""
        names, offset = stamp_names(container), clock_offset(container, stream)
        last: int | None = None
        self.damaged = 0
        for frame in self._decoded(container, stream):
            known = [pts - offset for pts in (getattr(frame, name) for name in names) if pts is not None]
            pts = known[0] if known else None
            if pts is None or (last is not None and pts <= last):
                pts = 0 if last is None else last + self.info.frame_duration
            if self.info.ends_before(pts - self.info.start_stamp):
                return
            last, self.last_duration = pts, frame.duration or 0
            yield pts, frame

    def _upright(self, frame: AVFrame) -> Levels:
        height, width = self.info.stored_size
        space = int(frame.colorspace)
        picture = frame.reformat(
            format="rgb48le" if self.info.deep else "rgb24",
            width=width,
            height=height,
            src_colorspace=space if space in _SPACES or frame.format.is_rgb else _BT601,
            interpolation=conversion(),
            dst_color_trc=_BT709 if self._converts else None,
            dst_color_primaries=_BT709 if self._converts else None,
        )
        levels: NDArray[Any] = np.rot90(picture.to_ndarray(), self.info.turns)
        return np.ascontiguousarray(levels[:, ::-1] if self.info.mirrored else levels)


@functools.cache
def converts_colors() -> bool:
    """Whether FFmpeg converts between transfers and primaries; older versions only change what a frame says."""
    av = import_av()
    level = 1 << 15
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), level, np.uint16), format="rgb48le")
    frame.color_trc, frame.color_primaries = 16, 9
    changed = frame.reformat(format="rgb48le", dst_color_trc=_BT709, dst_color_primaries=_BT709)
    return bool(abs(changed.to_ndarray().astype(int) - level).max() > level // 8)


def conversion() -> int:
    """FFmpeg's flags for conversions between RGB and YCbCr: rounded, chroma interpolated."""
    flags = import_av().video.reformatter.Interpolation
    return int(flags.BICUBIC | flags.ACCURATE_RND | flags.FULL_CHR_H_INT | flags.FULL_CHR_H_INP)


def _info(container: InputContainer, stream: VideoStream, first: AVFrame) -> VideoInfo:
    assert stream.time_base is not None  # an open file's streams have one
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
    size = (first.height, first.width)
    matrix = _display_matrix(first, stream.codec_context.name)
    turns, mirrored = _orientation(matrix)
    return VideoInfo(
        size=size if turns % 2 == 0 else size[::-1],
        time_base=Fraction(stream.time_base),
        rate=Fraction(rate),
        frames=_frame_count(container, stream, rate),
        turns=turns,
        display_matrix=matrix,
        pixel_aspect=stream.sample_aspect_ratio or None,
        deep=max(component.bits for component in first.format.components) > 8,
        color=_color(first),
        mirrored=mirrored,
    )


def part_of(info: VideoInfo, start: float, duration: float) -> VideoInfo:
    """Of a part of the video, from a second on; duration 0: to the end."""
    if not start and not duration:
        return info
    # As a user means them: 1.2 is no less than 6/5.
    begin, length = (Fraction(seconds).limit_denominator(_MICROSECONDS) for seconds in (start, duration))
    frames = None if info.frames is None else max(0, info.frames - round(begin * info.rate))
    if length:
        longest = max(1, round(length * info.rate))
        frames = longest if frames is None else min(frames, longest)
    return replace(info, frames=frames, start=begin, end=begin + length if length else None)


def _remark(unusual: Sequence[str], converted: bool, bright: bool) -> str:
    if not unusual:
        return ""
    if not converted:
        return f"its colours ({', '.join(unusual)}) are taken as those of BT.709: 'pip install -U av' converts them"
    cut = "; what is brighter than white is cut off" if bright else ""
    return f"its colours ({', '.join(unusual)}) become those of BT.709{cut}"


def _color(frame: AVFrame) -> Color:
    if frame.format.is_rgb:  # becomes YCbCr
        return SDR
    space, full = int(frame.colorspace), frame.format.name.startswith("yuvj")
    return Color(
        space if space in _SPACES else _UNMARKED,
        _FULL if full else int(frame.color_range),
        int(frame.color_primaries),
        int(frame.color_trc),
    )


def _frame_count(container: InputContainer, stream: VideoStream, rate: Fraction) -> int | None:
    # Where frames vary in length some formats count slots of time, not frames: the number is then too large.
    if stream.frames:
        return stream.frames
    if stream.duration and stream.time_base:
        return max(1, round(stream.duration * stream.time_base * rate))
    if container.duration:
        return max(1, round(Fraction(container.duration, import_av().time_base) * rate))
    return None


def _display_matrix(frame: AVFrame, codec: str) -> tuple[int, ...] | None:
    if codec in _NAMED_PROFILES:
        return _rotation_matrix(round(frame.rotation / 90) % 4)
    try:
        data: Any = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside a kind of side data that is newer than PyAV, such as a camera's EXIF
        return _rotation_matrix(round(frame.rotation / 90) % 4)
    if data is None:
        return None
    return tuple(int(value) for value in np.frombuffer(bytes(data), np.int32, 9))


def _orientation(matrix: tuple[int, ...] | None) -> tuple[int, bool]:
    """The counter-clockwise quarter turns of a display matrix, and whether left and right are exchanged after them."""
    if matrix is None:
        return 0, False
    a, b, _, c, d, *_ = matrix  # a pixel at (x, y) is shown at (a x + c y, b x + d y)
    mirrored = a * d - b * c < 0
    angle = math.atan2(-c, -a) if mirrored else math.atan2(c, a)
    return round(2 * angle / math.pi) % 4, mirrored


def _rotation_matrix(turns: int) -> tuple[int, ...] | None:
    """The display matrix of counter-clockwise quarter turns, in FFmpeg's fixed point; None for none."""
    if turns == 0:
        return None
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[turns]
    one = 1 << 16
    return cosine * one, -sine * one, 0, sine * one, cosine * one, 0, 0, 0, 1 << 30
