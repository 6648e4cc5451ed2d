"""Animated WebP, PNG and GIF as videos: frames and times, a part of one, transparency, and which files they are."""

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


def write(path, pictures, durations=SHOWN, **more):
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=list(durations), lossless=True, **more)
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


def test_the_last_frame_is_shown_as_long_when_all_frames_were_finished_before(animation):
    reader = open_video(animation)
    assert list(reader.frames(after=240)) == []
    assert reader.last_duration == SHOWN[-1]


def test_a_part(animation):
    reader = open_video(animation, 0.1, 0.14)
    assert [(frame.pts, frame.levels[0, 0, 2]) for frame in reader.frames()] == [
        (stamp, picture(number, SIZE)[0, 0, 2]) for stamp, number in ((0, 1), (40, 2))
    ]
    with pytest.raises(AdaINError, match=r"anim\.webp: expected frames from second 3\.0, found none"):
        list(open_video(animation, 3.0).frames())


def test_a_gif_with_its_times_and_transparency(tmp_path):
    frames = []
    for number in range(4):
        frame = Image.new("P", (16, 12), 1 + number)
        frame.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200, 90, 90, 90])
        frame.paste(0, (0, 0, 4 * number, 12))
        frames.append(frame)
    path = write(tmp_path / "anim.gif", frames, (300, 20, 0, 70), transparency=0, disposal=2, optimize=False)
    reader = open_video(path)
    shown = list(reader.frames())
    assert [frame.pts for frame in shown] == [0, 300, 320, 420], "browsers take 0 as 100"
    assert (reader.last_duration, reader.info.frames, reader.info.size) == (70, 4, (12, 16))
    for number, frame in enumerate(shown):
        assert tuple(frame.levels[0, 15]) == [(200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)][number]
        left = 255 if frame.opacity is None else frame.opacity[:, : 4 * number]
        assert number == 0 or not left.any()
        assert number == 0 or (frame.opacity[:, 4 * number :] == 255).all()
    assert shown[0].opacity is None


@pytest.mark.parametrize("apart", [False, True])
def test_a_png_with_its_times_and_transparency(apart, tmp_path):
    """Apart: with another picture for programs that show no animations."""
    frames = [np.dstack([picture(k, SIZE), np.full(SIZE, 255, np.uint8)]) for k in range(len(SHOWN))]
    for number, frame in enumerate(frames):
        frame[:, : 4 * number, 3] = 0
    pictures = [Image.fromarray(frame) for frame in [*[frames[3]] * apart, *frames]]
    path = write(tmp_path / "anim.png", pictures, loop=3, default_image=apart)
    reader = open_video(path)
    shown = list(reader.frames())
    assert [frame.pts for frame in shown] == [0, 100, 140, 240]
    assert (reader.last_duration, reader.info.frames, reader.info.size, reader.info.plays) == (250, 4, SIZE, 3)
    for number, (frame, given) in enumerate(zip(shown, frames, strict=True)):
        assert np.array_equal(frame.levels[:, 4 * number :], given[:, 4 * number :, :3])
        assert np.array_equal(given[..., 3] if number else None, frame.opacity)
    assert [frame.pts for frame in reader.frames(after=100)] == [140, 240]


def test_times_of_a_png_do_not_drift(tmp_path):
    pictures = [Image.fromarray(picture(k, SIZE)) for k in range(6)]
    path = write(tmp_path / "anim.png", pictures, (1000 / 60,) * 6)
    assert [frame.pts for frame in open_video(path).frames()] == [0, 17, 33, 50, 67, 83]


@pytest.mark.parametrize(("loop", "plays"), [(None, 1), (0, 0), (2, 3)])
def test_how_often_a_gif_is_shown(loop, plays, tmp_path):
    more = {} if loop is None else {"loop": loop}
    pictures = [Image.fromarray(picture(k, SIZE)) for k in range(2)]
    first, other = pictures
    first.save(tmp_path / "anim.gif", save_all=True, append_images=[other], **more)
    assert open_video(tmp_path / "anim.gif").info.plays == plays


@pytest.mark.parametrize("plays", [0, 1, 3])
def test_how_often_a_webp_is_shown(plays, tmp_path):
    pictures = [Image.fromarray(picture(k, SIZE)) for k in range(2)]
    assert open_video(write(tmp_path / "anim.webp", pictures, (50, 50), loop=plays)).info.plays == plays


def test_a_gif_cut_short_has_the_frames_before(tmp_path):
    path = write(tmp_path / "anim.gif", [Image.fromarray(picture(k, SIZE)) for k in range(4)], (50,) * 4)
    whole, size = list(open_video(path).frames()), path.stat().st_size
    path.write_bytes(path.read_bytes()[: size * 7 // 10])
    reader = open_video(path)
    found = list(reader.frames())
    assert 0 < len(found) < 4
    assert reader.damaged == reader.info.frames - len(found)
    for frame, before in zip(found, whole, strict=False):
        assert np.array_equal(frame.levels, before.levels)


def test_transparent_is_white_where_there_is_no_transparency(tmp_path):
    clear, half = (Image.new("RGBA", (16, 16), (200, 0, 0, opacity)) for opacity in (0, 128))
    reader = open_video(write(tmp_path / "clear.webp", [clear, half], (50, 50)))
    first, second = (frame.on_white.levels for frame in reader.frames())
    assert (first == 255).all()
    assert abs(second.astype(int) - [227, 127, 127]).max() <= 1


def test_which_files_are_animations(animation, tmp_path):
    still = tmp_path / "still.webp"
    Image.fromarray(picture(0, SIZE)).save(still)
    clip = write_clip(tmp_path / "clip.mp4", 3)
    Image.fromarray(picture(0, SIZE)).save(tmp_path / "still.gif")
    Image.fromarray(picture(0, SIZE)).save(tmp_path / "still.png")
    assert isinstance(open_video(animation), AnimationReader)
    assert isinstance(open_video(tmp_path / "still.gif"), AnimationReader)
    assert [type(open_video(path)) for path in (still, clip, tmp_path / "still.png")] == [VideoReader] * 3
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
