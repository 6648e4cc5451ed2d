"""Videos whose bytes are damaged, and such whose packets are cut, shuffled, doubled, or lie about their times."""

from __future__ import annotations

import functools
import random
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from hypothesis import strategies as st
from PIL import Image

from adain_core import Stylizer
from adain_core.video.animation import open_video
from adain_core.video.job import VideoJob
from adain_core.video.reader import VideoReader
from tests.adain_core.clips import picture, write_clip

from .damage import damaged
from .outcome import file_of, result_or_line

_MOST = 400  # frames; a clip here has 12
_SIZE = (32, 48)


@functools.cache
def clips() -> dict[str, bytes]:
    """Whole clips by the endings of their names."""
    with TemporaryDirectory() as folder:
        made = {
            ".mp4": write_clip(Path(folder, "a.mp4"), 12, _SIZE),
            ".mkv": write_clip(Path(folder, "b.mkv"), 12, _SIZE, encoder="mpeg4"),
            ".avi": write_clip(Path(folder, "c.avi"), 12, _SIZE, encoder="mjpeg", pixel_format="yuvj420p", sound=None),
            ".mov": write_clip(Path(folder, "d.mov"), 12, _SIZE, sound=None, pixel_format="yuv444p10le"),
        }
        frames = [Image.fromarray(picture(k, _SIZE)) for k in range(4)]
        for ending in (".gif", ".webp"):
            made[ending] = Path(folder, f"e{ending}")
            frames[0].save(made[ending], save_all=True, append_images=frames[1:], duration=40)
        return {ending: path.read_bytes() for ending, path in made.items()}


@st.composite
def bytes_damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    ending = draw(st.sampled_from(sorted(clips())))
    return ending, draw(damaged([clips()[ending]]))


@st.composite
def packets_damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A clip's packets, put together again in another way."""
    source = draw(st.sampled_from([".mp4", ".mkv", ".avi"]))
    ending = draw(st.sampled_from([".mkv", ".avi", ".nut", ".mp4", ".ts"]))
    chance = random.Random(draw(st.integers(0, 2**32)))
    kinds = draw(st.sets(st.sampled_from(["cut", "shuffle", "double", "drop", "times", "swap"]), min_size=1))
    with TemporaryDirectory() as folder:
        old, new = Path(folder, f"old{source}"), Path(folder, f"new{ending}")
        old.write_bytes(clips()[source])
        with suppress(av.FFmpegError, ValueError):  # what was written until then is a case, too
            _remux(old, new, kinds, chance)
        return ending, new.read_bytes() if new.is_file() else b""


def _remux(old: Path, new: Path, kinds: set[str], chance: random.Random) -> None:
    with av.open(str(old)) as original, av.open(str(new), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in original.streams}
        packets = [packet for packet in original.demux() if packet.size]
        if "shuffle" in kinds:
            chance.shuffle(packets)
        if "double" in kinds:
            packets += chance.sample(packets, 3)
        if "drop" in kinds:
            packets = [packet for packet in packets if chance.random() < 0.7]
        bodies = [bytes(packet) for packet in packets]
        if "swap" in kinds:
            chance.shuffle(bodies)
        if "cut" in kinds:
            bodies = [body[: chance.randrange(len(body))] if chance.random() < 0.3 else body for body in bodies]
        for packet, body in zip(packets, bodies, strict=True):
            written = av.Packet(body)
            times = (packet.pts, packet.dts)
            if "times" in kinds and chance.random() < 0.4:
                times = chance.choice([(None, None), (-(1 << 40), 1), (1 << 40, 0), times[::-1], (1 << 50, 1 << 50)])
            written.pts, written.dts = times
            written.time_base, written.is_keyframe = packet.time_base, chance.random() < 0.5
            written.stream = streams[packet.stream_index]
            container.mux_one(written)


DAMAGED = st.one_of(bytes_damaged(), packets_damaged())


def check_reading(case: tuple[str, bytes]) -> None:
    ending, data = case
    with file_of(data, f"case{ending}") as path:
        result_or_line(path.name, lambda: _read(path))


def _read(path: Path) -> int:
    reader = open_video(path)
    shown, last = 0, None
    for frame in reader.frames():
        assert frame.levels.shape[:2] == reader.info.size
        assert frame.levels.shape[2] == 3
        assert last is None or frame.pts > last
        shown, last = shown + 1, frame.pts
        if shown == _MOST:
            break
    return shown


@functools.cache
def _models() -> tuple[Stylizer, list]:
    import torch

    return Stylizer.load(device="cpu", pair="light"), [torch.rand(1, 3, 32, 32)]


def check_job(case: tuple[str, bytes]) -> None:
    """The whole way from file to file. What is refused on the way leaves no video."""
    ending, data = case
    models, styles = _models()
    with TemporaryDirectory() as folder, file_of(data, f"case{ending}") as path:
        output = Path(folder, "out.mkv")

        def make() -> bool:
            VideoJob(models, path, output, styles, crf=40).run()
            return True

        if result_or_line(path.name, make):
            assert [each.name for each in Path(folder).iterdir()] == [output.name]
            assert sum(1 for _ in VideoReader(output).frames()) > 0
        else:
            assert not output.exists()
