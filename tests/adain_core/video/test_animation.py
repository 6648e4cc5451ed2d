"""Animated WebP as a video: its frames and their times, a part of it, transparency, and which files it is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from adain_core import AdaINError
from adain_core.video.animation import AnimationReader, open_video
from adain_core.video.job import VideoJob
from adain_core.video.reader import VideoReader
from tests.adain_core.clips import levels_of, picture, seconds, write_clip

SIZE = (32, 48)
SHOWN = (100, 40, 0, 250)  # milliseconds; browsers take 0 as 100


@pytest.fixture
def animation(tmp_path):
    return write(tmp_path / "anim.webp", [Image.fromarray(picture(k, SIZE)) for k in range(len(SHOWN))])


def write(path, pictures, durations=SHOWN):
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=list(durations), lossless=True)
    return path


def test_frames_and_times(animation):
    reader = open_video(animation)
    frames = list(reader.frames())
    assert seconds(reader, frames) == [Fraction(ms, 1000) for ms in (0, 100, 140, 240)]
    assert reader.info.rate == Fraction(4, 1) / Fraction(490, 1000)
    assert (reader.info.frames, reader.info.size, reader.last_duration) == (4, SIZE, 250)
    for number, frame in enumerate(frames):
        assert np.array_equal(frame.levels, picture(number, SIZE))
    rest = list(reader.frames(after=100))
    assert [frame.pts for frame in rest] == [140, 240]
    assert np.array_equal(rest[0].levels, frames[2].levels)


def test_a_part(animation):
    reader = open_video(animation, 0.1, 0.14)
    assert [(frame.pts, frame.levels[0, 0, 2]) for frame in reader.frames()] == [
        (stamp, picture(number, SIZE)[0, 0, 2]) for stamp, number in ((0, 1), (40, 2))
    ]
    with pytest.raises(AdaINError, match=r"anim\.webp: expected frames from second 3\.0, found none"):
        list(open_video(animation, 3.0).frames())


def test_transparent_is_white(tmp_path):
    clear, half = (Image.new("RGBA", (16, 16), (200, 0, 0, opacity)) for opacity in (0, 128))
    reader = open_video(write(tmp_path / "clear.webp", [clear, half], (50, 50)))
    first, second = (frame.levels for frame in reader.frames())
    assert (first == 255).all()
    assert abs(second.astype(int) - [227, 127, 127]).max() <= 1


def test_which_files_are_animations(animation, tmp_path):
    still = tmp_path / "still.webp"
    Image.fromarray(picture(0, SIZE)).save(still)
    clip = write_clip(tmp_path / "clip.mp4", 3)
    assert isinstance(open_video(animation), AnimationReader)
    assert [type(open_video(path)) for path in (still, clip)] == [VideoReader, VideoReader]
    with pytest.raises(AdaINError, match="expected a video file, found nothing"):
        open_video(tmp_path / "none.webp")


def test_one_cut_short(animation):
    data = animation.read_bytes()
    animation.write_bytes(data[: len(data) // 2])
    with pytest.raises(AdaINError, match=r"anim\.webp: expected an animation, found one that cannot be read"):
        open_video(animation)


@pytest.mark.usefixtures("single_thread")
def test_a_video_of_it(animation, stylizer, styles, tmp_path):
    job = VideoJob(stylizer, animation, tmp_path / "out.mp4", styles[:1], alpha=0.0, crf=0)
    job.run()
    assert (job.done, job.total, job.sound_left_out) == (4, 4, 0)
    after = VideoReader(tmp_path / "out.mp4")
    assert [float(second) for second in seconds(after, after.frames())] == [0, 0.1, 0.14, 0.24]
    assert abs(levels_of(tmp_path / "out.mp4")[3].astype(int) - picture(3, SIZE)).mean() < 3
