"""Videos for the tests: small generated ones, a few real ones, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from adain_core.video.reader import VideoReader, conversion

QUARTER_CLOCKWISE = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)  # as phones write it
RATE = 16000
REAL_CLIPS = Path("/usr/share/doc/opencv-doc/examples/data")  # Debian's opencv-doc


def picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """``[H, W, 3]`` uint8: waves that move slowly in flickering light, different in each orientation."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = 120 + 80 * np.sin(rows / 3 + columns / 5 + number * 0.1)
    return np.stack([rows * 4 + 40, columns * 3 + 20, waves], -1).astype(np.uint8) + np.uint8(number % 3 * 15)


def write_clip(
    path: Path,
    frames: int,
    size: tuple[int, int] = (32, 48),
    times: list[int] | None = None,
    time_base: Fraction = Fraction(1, 600),
    pixel_format: str = "yuv420p",
    encoder: str = "libx264",
    color: tuple[int, int, int, int] | None = None,
    aspect: Fraction | None = None,
    matrix: tuple[int, ...] | None = None,
    sound: str | None = "aac",
    start: int = 0,
    show: Callable[[int, tuple[int, int]], np.ndarray] = picture,
) -> Path:
    """Frames of ``show``, 25 per second or at the given times, a key frame every 7, with a second of sound.

    The file's clock begins at a second ``start``.
    """
    with av.open(str(path), "w", options={"output_ts_offset": str(start)}) as container:
        video = container.add_stream(encoder, rate=25, width=size[1], height=size[0], time_base=time_base)
        video.pix_fmt, video.codec_context.gop_size = pixel_format, 7
        if encoder == "libx264":
            video.options = {"crf": "0"}
        if color is not None:
            context = video.codec_context
            context.colorspace, context.color_range, context.color_primaries, context.color_trc = color
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        video.set_display_matrix(matrix)
        audio = container.add_stream(sound, rate=RATE) if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(show(number, size), format="rgb24")
            space, levels, *_ = color or (None, None)
            frame = frame.reformat(format=pixel_format, dst_colorspace=space, dst_color_range=levels)
            frame.time_base = time_base
            frame.pts = times[number] if times else round(number / (25 * time_base))
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            add_tone(container, audio)
    return path


def add_tone(container, audio) -> None:
    """A second of sound for a stream."""
    wave = (np.sin(np.arange(RATE) * 0.2) * 9000).astype(np.int16)
    for start in range(0, RATE, 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        container.mux(audio.encode(frame))
    container.mux(audio.encode(None))


def sound_of(path: Path) -> list[tuple[Fraction, bytes]]:
    """Seconds and bytes of every packet of sound."""
    with av.open(str(path)) as container:
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


def seconds(reader, frames) -> list[Fraction]:
    """When each frame is shown."""
    return [frame.pts * reader.info.time_base for frame in frames]


def levels_of(path: Path) -> np.ndarray:
    """All frames, ``[N, H, W, 3]``."""
    return np.stack([frame.levels for frame in VideoReader(path).frames()])


def coarse_chroma(levels: np.ndarray) -> np.ndarray:
    """Levels after 4:2:0, which leaves one colour to four pixels."""
    frame = av.VideoFrame.from_ndarray(levels.round().astype(np.uint8), format="rgb24")
    frame = frame.reformat(format="yuv420p", interpolation=conversion())
    return frame.to_ndarray(format="rgb24", interpolation=conversion()).astype(float)


def packets_of(path: Path) -> list[bytes]:
    """The data of the packets of pictures."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def write_packets(path: Path, packets: Iterable[bytes], size: tuple[int, int], times: list[int] | None = None) -> None:
    """Packets of Motion JPEG as a video, one after the other or at the given times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, width=size[1], height=size[0], pix_fmt="yuvj420p")
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.pts = packet.dts = number if times is None else times[number]
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            container.mux(packet)


def real_clip(name: str) -> Path:
    """A clip of Debian's package opencv-doc; the test is skipped without it."""
    if not (REAL_CLIPS / name).is_file():
        pytest.skip("needs the clips of Debian's package opencv-doc")
    return REAL_CLIPS / name
