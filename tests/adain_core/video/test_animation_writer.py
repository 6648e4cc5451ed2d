"""Animations out: times, transparency and loops of the source, in GIF and WebP."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from adain_core import AdaINError
from adain_core.video import animation_writer
from adain_core.video.animation import open_video
from adain_core.video.job import VideoJob
from adain_core.video.writer import write_segment
from tests.adain_core.clips import picture, write_clip
from tests.conftest import ROOT

SIZE = (32, 48)
SHOWN = (100, 50, 30, 20, 200, 400, 60)  # milliseconds


def frames(kind):
    """A disc that moves over waves; in GIF all or nothing, in WebP with a soft edge."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    for number in range(len(SHOWN)):
        away = np.hypot(rows - 16, columns - 12 - 3 * number)
        opacity = (np.clip(12 - away, 0, 4) / 4 if kind == "webp" else away < 11) * 255
        yield Image.fromarray(np.dstack([picture(number, SIZE), opacity.astype(np.uint8)]))


@pytest.fixture(params=["gif", "webp"])
def source(request, tmp_path):
    first, *others = frames(request.param)
    path = tmp_path / f"in.{request.param}"
    more = {"disposal": 2} if request.param == "gif" else {"lossless": True}
    first.save(path, save_all=True, append_images=others, duration=list(SHOWN), loop=2, **more)
    return path


def stylized(stylizer, styles, source, out, **controls):
    job = VideoJob(stylizer, source, out, styles[:1], **controls)
    job.run()
    reader = open_video(out)
    return reader, list(reader.frames())


@pytest.mark.parametrize("ending", ["gif", "webp"])
@pytest.mark.usefixtures("single_thread", "short_segments")
def test_times_transparency_and_loops_are_the_sources(source, ending, stylizer, styles, tmp_path):
    before = open_video(source)
    originals = list(before.frames())
    after, results = stylized(stylizer, styles, source, tmp_path / f"out.{ending}", alpha=0.0, crf=0)
    assert [frame.pts for frame in results] == [frame.pts for frame in originals] == [0, 100, 150, 180, 200, 400, 800]
    assert (after.last_duration, after.info.plays, after.info.size) == (60, before.info.plays, SIZE)
    for original, result in zip(originals, results, strict=True):
        seen = original.opacity if ending == "webp" else np.where(original.opacity >= 128, 255, 0)
        assert np.array_equal(result.opacity, seen)
        difference = np.abs(result.levels.astype(int) - original.levels)[original.opacity == 255]
        assert difference.max() == 0 if ending == "webp" else difference.mean() < 6, "of a GIF: 255 colours"
    assert not (tmp_path / f"out.{ending}.parts").exists()


@pytest.mark.usefixtures("single_thread")
def test_hidden_colours_play_no_part_in_what_is_seen(stylizer, styles, tmp_path):
    opacity = np.zeros(SIZE, np.uint8)
    opacity[:, 24:] = 255
    results = []
    for hidden in ((0, 0, 0), (255, 0, 255)):
        levels = np.where(opacity[..., None] > 0, picture(0, SIZE), np.uint8(hidden))
        image, other = (Image.fromarray(np.dstack([shown, opacity])) for shown in (levels, 255 - levels))
        path = tmp_path / f"{hidden[0]}.webp"
        image.save(path, save_all=True, append_images=[other], duration=50, lossless=True, exact=True)
        _, found = stylized(stylizer, styles, path, path.with_name(f"out{hidden[0]}.webp"), crf=0)
        results.append(found[0])
    assert np.array_equal(results[0].opacity, opacity)
    assert np.array_equal(results[0].levels[:, 24:], results[1].levels[:, 24:])


@pytest.mark.usefixtures("single_thread", "short_segments")
def test_a_video_as_an_animation_and_what_is_too_short_for_it(stylizer, styles, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 12, times=[k * 6 for k in range(12)])  # 100 frames a second
    job = VideoJob(stylizer, clip, tmp_path / "out.gif", styles[:1], alpha=0.0)
    assert job.sound_left_out == 1
    job.run()
    assert [frame.pts for frame in open_video(tmp_path / "out.gif").frames()] == [0, 20, 40, 60, 80, 100]
    after, results = stylized(stylizer, styles, clip, tmp_path / "out.webp", alpha=0.0, crf=0)
    assert [frame.pts for frame in results] == [10 * k for k in range(12)]
    assert after.info.plays == 0, "for ever"
    assert all(frame.opacity is None for frame in results)


@pytest.mark.parametrize("ending", ["gif", "webp"])
@pytest.mark.usefixtures("single_thread", "short_segments")
def test_an_interrupted_run_goes_on(ending, stylizer, styles, tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", 12)
    whole, out = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    VideoJob(stylizer, clip, whole, styles[:1], alpha=0.0).run()

    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 8:
            raise Stop

    with pytest.raises(Stop):
        VideoJob(stylizer, clip, out, styles[:1], alpha=0.0).run(stop)
    job = VideoJob(stylizer, clip, out, styles[:1], alpha=0.0)
    assert job.done == 5
    job.run()
    assert out.read_bytes() == whole.read_bytes()


def test_quality_says_the_size_of_a_webp(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 4)
    info = open_video(clip).info
    write_segment(tmp_path / "one.nut", open_video(clip).frames(), info, None)
    sizes = []
    for crf in (5, 18, 45):
        animation_writer.write_animation(tmp_path / "out.webp", [tmp_path / "one.nut"], info, crf)
        sizes.append((tmp_path / "out.webp").stat().st_size)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 0.8 * sizes[0]


def test_a_webp_is_no_larger_than_its_format_has_room_for(stylizer, styles, tmp_path, monkeypatch):
    monkeypatch.setattr(animation_writer, "_LARGEST_WEBP", 40)
    clip = write_clip(tmp_path / "clip.mp4", 2)
    with pytest.raises(AdaINError, match=r"out\.webp: expected at most 40 pixels a side in a WebP, found 48"):
        VideoJob(stylizer, clip, tmp_path / "out.webp", styles[:1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_length_of_a_gif(tmp_path):
    """In a process of its own, whose peak nothing else sets."""
    code = """
import itertools, re, sys
from pathlib import Path
from adain_core.video.animation_writer import write_animation
from adain_core.video.reader import VideoReader
from adain_core.video.writer import write_segment
reader = VideoReader(sys.argv[1])
(frame,) = itertools.islice(reader.frames(), 1)
segment = Path(sys.argv[2])
step = reader.info.frame_duration
write_segment(segment, (type(frame)(k * step, frame.levels) for k in range(200)), reader.info, None)
def peak():
    return int(re.search("VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
write_animation(segment.with_suffix(".gif"), [segment], reader.info, 18)
print((peak() - before) * 1024)
"""
    clip = write_clip(tmp_path / "clip.mp4", 1, size=(240, 320), sound=None)
    command = [sys.executable, "-c", code, str(clip), str(tmp_path / "segment.nut")]
    grown = int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert grown < 200 * 240 * 320 * 4 / 2
