"""Writes videos in H.264: complete segments, which are joined without encoding again, with the source's sound."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AdaINError
from ..files import atomic_write
from .pyav import import_av, open_source, raise_unless_damaged
from .reader import VideoFrame, VideoInfo, conversion
from .timestamps import clock_start

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

# PyAV's streams and packets. By its own types any time stamp may be None; those of what is written here never are.
_Stream = Any
_Packet = Any

WRITABLE = (".mp4", ".mov", ".mkv")
ANIMATIONS = (".gif", ".webp")  # of `animation_writer`
SEGMENT_SUFFIX = ".nut"  # keeps any time base and time stamps exactly, if they are not negative
_SHIFT = 1 << 32  # added to time stamps in segments: decoding times begin before the first frame
MAX_CRF = 51
_TRIED = 64  # packets of sound, of all tracks together
_ENCODER = "libx264"
# Of fewer rows x264 on several threads makes one of several streams, as the threads happen to run. One is fast enough.
_ROWS_FOR_THREADS = 480
_BYTE, _OPAQUE = 8, 255  # bits, and their largest number


def check_container(path: str | Path, source: Path, info: VideoInfo) -> None:
    """Raises AdaINError unless the name's ending is one of `WRITABLE` and the format takes sound and pictures.

    Args:
        path: only its ending matters.
        source: the video whose sound is copied.
        info: its pictures.
    """
    if _ENCODER not in import_av().codecs_available:
        raise AdaINError(f"video: this PyAV lacks {_ENCODER}; 'pip install -U av' installs one that has it")
    path = Path(path)
    if path.suffix.lower() not in WRITABLE:
        raise AdaINError(
            f"{path}: expected a name ending in {', '.join(WRITABLE)} (or {', '.join(ANIMATIONS)}), "
            f"found {path.suffix or 'none'}"
        )
    av = import_av()
    # Some sound is refused only when the file ends, so a little of it is tried.
    try:
        with TemporaryDirectory() as folder:
            trial = Path(folder, "trial").with_suffix(path.suffix)
            with _joined(trial, source, info, crf=0) as (container, _, sound):
                for _, stream, packet in islice(sound, _TRIED):
                    packet.stream = stream
                    container.mux(packet)
    except av.FFmpegError as error:
        raise _refusal(path, error) from None


def container_for(source: Path, info: VideoInfo) -> str:
    """The ending of a format that takes the source's sound: ``.mp4``, or ``.mkv`` where that does not.

    Args:
        source, info: as in `check_container`.

    Raises:
        AdaINError: neither does.
    """
    with suppress(AdaINError):
        check_container("video.mp4", source, info)
        return ".mp4"
    check_container("video.mkv", source, info)
    return ".mkv"


def sound_tracks(source: Path, info: VideoInfo, unknown: bool) -> int:
    """How many sound tracks there are; or only those of a kind that FFmpeg does not know and cannot carry over."""
    if info.silent:
        return 0
    with open_source(source) as original:
        return len(original.streams.audio) - (len(_sound_tracks(original)) if unknown else 0)


def _sound_tracks(original: InputContainer) -> list[Any]:
    return [track for track in original.streams.audio if track.codec_context is not None]


def write_segment(path: Path, frames: Iterable[VideoFrame], info: VideoInfo, crf: float | None) -> None:
    """Encodes frames as a segment, atomically.

    Args:
        path: with the ending `SEGMENT_SUFFIX`.
        frames: in order; read one at a time.
        info: the source's.
        crf: constant rate factor, 0 (best, large) .. 51; None: nothing is lost and opacity is kept, for an animation.
    """
    av = import_av()
    with atomic_write(path) as temporary, av.open(str(temporary), "w") as container:
        stream = _add_pictures(container, info) if crf is None else _add_video(container, info, crf)

        def converted(frame: VideoFrame) -> Any:
            return _to_rgba(frame, info) if crf is None else _to_ycbcr(frame, info, stream.pix_fmt)

        for frame in chain(frames, [None]):
            for packet in stream.encode(None if frame is None else converted(frame)):
                packet.pts += _SHIFT
                packet.dts += _SHIFT
                container.mux(packet)


def segment_end(path: Path, info: VideoInfo) -> tuple[int, int]:
    """A segment's number of frames, and the time stamp of its last one in units of the source's time base."""
    packets = _packets(path, info)
    return len(packets), max(packet.pts for packet in packets)


def segment_pictures(path: Path, info: VideoInfo) -> Iterator[tuple[Any, int]]:
    """The pictures of a segment made without a crf, in RGBA, and their time stamps in the source's time base."""
    with import_av().open(str(path)) as container:
        for picture in container.decode(video=0):
            yield picture, int(picture.pts * picture.time_base / info.time_base) - _SHIFT


def join(
    path: Path, segments: Sequence[Path], source: Path, info: VideoInfo, crf: float, last_duration: int = 0
) -> None:
    """Writes the segments as one video with the source's sound, both packet by packet as they are, atomically.

    Args:
        path: one of the formats in `WRITABLE`.
        segments: in order, made with the same info and crf.
        source: the video whose sound is copied.
        info: its pictures.
        crf: of the segments.
        last_duration: for how long the last frame is shown, in units of the source's time base; 0: as others.
    """
    with atomic_write(path) as temporary, _joined(temporary, source, info, crf) as (container, video, sound):
        delay = video.codec_context.reorder_depth
        pictures = ((time, video, packet) for time, packet in _timed(segments, info, delay, last_duration))
        for _, stream, packet in heapq.merge(pictures, sound, key=lambda item: item[0]):
            packet.stream = stream
            container.mux(packet)


@contextmanager
def _joined(
    path: Path, source: Path, info: VideoInfo, crf: float
) -> Iterator[tuple[OutputContainer, _Stream, Iterator[tuple[float, _Stream, _Packet]]]]:
    """A container with its header written, its stream for pictures, and the source's sound as `_sound` yields it."""
    av = import_av()
    # Unless time is counted in the pictures' units a late start is rounded to milliseconds.
    options = {} if path.suffix.lower() == ".mkv" else {"movie_timescale": str(info.time_base.denominator)}
    with (
        nullcontext() if info.silent else open_source(source) as original,
        av.open(str(path), "w", options=options) as container,
    ):
        copies: dict[int, _Stream] = {}
        try:
            video = _add_video(container, info, crf)
            for audio in _sound_tracks(original) if original else ():
                copies[audio.index] = container.add_stream_from_template(audio)
                copies[audio.index].metadata.update(audio.metadata)
            container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            raise _refusal(path, error) from None
        yield container, video, _sound(original, source, info, copies)


def _refusal(path: Path, error: Exception) -> AdaINError:
    return AdaINError(
        f"output: expected a format that holds the source's pictures and sound, found {path.suffix}, "
        f"which does not ({error}); .mkv holds nearly any"
    )


def _add_video(container: OutputContainer, info: VideoInfo, crf: float) -> _Stream:
    height, width = info.stored_size
    # 4:2:0 plays everywhere, but has no odd sizes.
    halved = height % 2 == 0 and width % 2 == 0
    options = {"crf": str(crf)}
    if halved:
        options["x264-params"] = "chromaloc=1"  # amid four pixels, where FFmpeg's conversion from RGB puts it
    stream: _Stream = container.add_stream(
        _ENCODER,
        rate=info.rate,
        options=options,
        width=width,
        height=height,
        time_base=info.time_base,
        pix_fmt=("yuv420p" if halved else "yuv444p") + ("10le" if info.deep else ""),
    )
    context = stream.codec_context
    if height < _ROWS_FOR_THREADS:
        context.thread_count = 1
    else:
        context.thread_type = "FRAME"
    context.colorspace = info.color.space
    context.color_range = info.color.range
    context.color_primaries = info.color.primaries
    context.color_trc = info.color.transfer
    if info.pixel_aspect is not None:
        context.sample_aspect_ratio = info.pixel_aspect
    stream.set_display_matrix(info.display_matrix)
    return stream


def _add_pictures(container: OutputContainer, info: VideoInfo) -> _Stream:
    height, width = info.size
    stream: _Stream = container.add_stream("png", rate=info.rate, time_base=info.time_base)
    stream.height, stream.width, stream.pix_fmt = height, width, "rgba"
    return stream


def _to_rgba(frame: VideoFrame, info: VideoInfo) -> Any:
    deep = frame.levels.dtype != np.uint8
    levels = (frame.levels >> _BYTE).astype(np.uint8) if deep else frame.levels
    opacity = np.full_like(levels[..., 0], _OPAQUE) if frame.opacity is None else frame.opacity
    picture = import_av().VideoFrame.from_ndarray(np.dstack([levels, opacity]), format="rgba")
    picture.pts, picture.time_base = frame.pts, info.time_base
    return picture


def _to_ycbcr(frame: VideoFrame, info: VideoInfo, pixel_format: str) -> Any:
    av = import_av()
    shown = frame.levels[:, ::-1] if info.mirrored else frame.levels
    levels = np.ascontiguousarray(np.rot90(shown, -info.turns))
    picture = av.VideoFrame.from_ndarray(levels, format="rgb48le" if info.deep else "rgb24").reformat(
        format=pixel_format,
        dst_colorspace=info.color.space,
        dst_color_range=info.color.range,
        interpolation=conversion(),
    )
    picture.pts, picture.time_base = frame.pts, info.time_base
    return picture


def _packets(segment: Path, info: VideoInfo) -> list[_Packet]:
    """A segment's packets in decoding order, with time stamps in units of the source's time base."""
    av = import_av()
    try:
        with av.open(str(segment)) as container:
            packets: list[_Packet] = [packet for packet in container.demux(video=0) if packet.size]
    except (av.FFmpegError, IndexError):
        packets = []
    if not packets or any(packet.pts is None for packet in packets):
        raise AdaINError(
            f"{segment}: expected a finished part of the video, found a damaged file; remove it and those after it"
        )
    for packet in packets:
        packet.pts = int(packet.pts * packet.time_base / info.time_base) - _SHIFT
        packet.time_base = info.time_base
    return packets


def _timed(
    segments: Sequence[Path], info: VideoInfo, delay: int, last_duration: int
) -> Iterator[tuple[float, _Packet]]:
    """The packets of all segments in decoding order, each with its decoding time in seconds.

    Decoding times are the sorted time stamps, moved back by the encoder's delay, so that they increase across segments.
    A frame is shown until the next one; only the last packet's duration counts.

    Args:
        segments: in order.
        info: the source's.
        delay: frames by which the encoder reorders.
        last_duration: see `join`.
    """
    waiting: deque[int] = deque()
    for segment in segments:
        packets = _packets(segment, info)
        shown = sorted(packet.pts for packet in packets)
        if segment is segments[0]:
            waiting.extend(shown[0] - info.frame_duration * early for early in range(delay, 0, -1))
        waiting.extend(shown)
        for packet in packets:
            packet.dts, packet.duration = waiting.popleft(), last_duration or info.frame_duration
            yield float(packet.dts * info.time_base), packet


def _sound(
    original: InputContainer | None, path: Path, info: VideoInfo, copies: dict[int, _Stream]
) -> Iterator[tuple[float, _Stream, _Packet]]:
    """The packets of sound: seconds, the stream that each goes to, and the packet.

    Of a part of the video those that begin within it: a few milliseconds of its beginning may be missing.

    Args:
        original: the source.
        path: its file, for errors.
        info: its pictures, which say the part.
        copies: the streams to write to, by their numbers in the source.
    """
    if original is None or not copies:
        return
    start = clock_start(original) + info.start
    length = None if info.end is None else info.end - info.start
    packets: Iterator[_Packet] = original.demux(_sound_tracks(original))
    while True:
        try:
            packet = next(packets, None)
        except import_av().FFmpegError as error:
            raise_unless_damaged(error, path)
            return
        if packet is None:
            return
        if packet.size:
            offset = round(start / packet.time_base)
            packet.pts, packet.dts = (None if time is None else time - offset for time in (packet.pts, packet.dts))
            time = packet.dts if packet.dts is not None else packet.pts or 0
            seconds = time * packet.time_base
            if (seconds >= 0 or not info.start) and (length is None or seconds < length):
                yield float(seconds), copies[packet.stream_index], packet
