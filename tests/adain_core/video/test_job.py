"""Videos stylized: what is kept of the source, what the frames are, and how an interrupted run goes on."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from adain_core import AdaINError
from adain_core.method.style import mix
from adain_core.video import job as video_job
from adain_core.video.smoothing import TemporalSmoother
from adain_core.video.style_keyframes import StyleTrack

av = pytest.importorskip("av")

from adain_core.video import writer  # noqa: E402
from adain_core.video.job import VideoJob  # noqa: E402
from adain_core.video.reader import VideoReader  # noqa: E402
from tests.adain_core.clips import (  # noqa: E402
    QUARTER_CLOCKWISE,
    coarse_chroma,
    levels_of,
    picture,
    real_clip,
    seconds,
    sound_of,
    write_clip,
)
from tests.adain_core.pictures import files_of  # noqa: E402

pytestmark = pytest.mark.usefixtures("single_thread")


def stylized(stylizer, levels, *arguments, **controls):
    """The still image method's result for one frame, in levels."""
    pixels = torch.from_numpy(levels.astype(np.float32)).permute(2, 0, 1)[None] / np.iinfo(levels.dtype).max
    return stylizer.stylize(pixels, *arguments, **controls)[0].permute(1, 2, 0).numpy() * 255


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("suffix", [".mp4", pytest.param(".mov", marks=pytest.mark.slow)])
def test_a_phone_video_keeps_all_but_its_look(suffix, stylizer, styles, tmp_path):
    # Late start, varying rate, odd size, full range BT.601, wide pixels, a quarter turn, priming before the sound.
    times = list(itertools.accumulate([777, 24, 24, 70, 11, 24, 24, 100, 24, 11, 11, 24]))
    source = write_clip(
        tmp_path / "phone.mp4",
        12,
        size=(31, 47),
        times=times,
        pixel_format="yuv444p",
        color=(5, 2, 5, 6),
        aspect=Fraction(4, 3),
        matrix=QUARTER_CLOCKWISE,
    )
    told = []
    job = VideoJob(stylizer, source, tmp_path / f"out{suffix}", styles[:1], alpha=0.7, crf=0)
    job.run(lambda *progress: told.append(progress))
    assert told == [(done, 12) for done in range(1, 13)]
    assert [path.name for path in tmp_path.iterdir() if path != source] == [f"out{suffix}"]
    before, after = VideoReader(source), VideoReader(tmp_path / f"out{suffix}")
    originals, results = list(before.frames()), list(after.frames())
    assert seconds(after, results) == seconds(before, originals)
    assert sound_of(after.path) == sound_of(source)
    for name in ("size", "turns", "display_matrix", "pixel_aspect", "deep", "color"):
        assert getattr(after.info, name) == getattr(before.info, name), name
    assert before.info.size == (47, 31)
    upright = np.rot90(picture(0, (31, 47)), -1).astype(int)
    assert abs(originals[0].levels - upright).mean() < 1.5
    for original, result in zip(originals, results, strict=True):
        error = abs(result.levels - stylized(stylizer, original.levels, styles[0], alpha=0.7))
        assert error.mean() < 1
        assert error.max() < 4


@pytest.mark.parametrize("signs", list(itertools.product((1, -1), (1, -1), (False, True))))
def test_turned_and_mirrored_videos(signs, stylizer, styles, tmp_path):
    """Front cameras mirror: frames are upright as players show them, and a stylized video is shown as its source."""
    x, y, transposed = signs
    one = 1 << 16
    matrix = (
        (0, y * one, 0, x * one, 0, 0, 0, 0, 1 << 30) if transposed else (x * one, 0, 0, 0, y * one, 0, 0, 0, 1 << 30)
    )
    source = write_clip(tmp_path / "clip.mp4", 1, pixel_format="yuv444p", matrix=matrix, sound=None)
    stored = picture(0, (32, 48))
    shown = (stored.swapaxes(0, 1) if transposed else stored)[::y, ::x]
    VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1], alpha=0, crf=0).run()
    for path in (source, tmp_path / "out.mp4"):
        reader = VideoReader(path)
        (frame,) = reader.frames()
        assert reader.info.size == shown.shape[:2]
        assert abs(frame.levels - shown.astype(int)).mean() < 1.5
        assert (reader.info.display_matrix or (one, 0, 0, 0, one, 0, 0, 0, 1 << 30)) == matrix


@pytest.mark.usefixtures("short_segments")
def test_matroska_and_deep_colours(stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "deep.mkv", 7, pixel_format="yuv420p10le", sound="flac")
    VideoJob(stylizer, source, tmp_path / "out.mkv", styles[:1], crf=4).run()
    before, after = VideoReader(source), VideoReader(tmp_path / "out.mkv")
    originals, results = list(before.frames()), list(after.frames())
    assert after.info.deep
    assert results[0].levels.dtype == np.uint16
    assert seconds(after, results) == seconds(before, originals)
    assert sound_of(after.path) == sound_of(source)
    assert after.info.rate == 25
    expected = stylized(stylizer, originals[4].levels, styles[0])
    assert abs(results[4].levels / 257 - coarse_chroma(expected)).mean() < 2


def test_styles_change_between_keys(stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mp4", 8, size=(31, 47), pixel_format="yuv444p")
    VideoJob(stylizer, source, tmp_path / "out.mp4", styles, keys=[2, 6], crf=0).run()
    assert VideoReader(tmp_path / "out.mp4").info.rate == 25
    originals, results = levels_of(source), levels_of(tmp_path / "out.mp4")
    for frame, weights in [(0, [1, 0]), (2, [1, 0]), (3, [0.75, 0.25]), (4, [0.5, 0.5]), (7, [0, 1])]:
        error = abs(results[frame] - stylized(stylizer, originals[frame], styles, weights=weights))
        assert error.mean() < 1
        assert error.max() < 4


def corners(frames, size):
    """Masks ``[frames, H, W]``: a rectangle that grows from the upper left, with a soft edge."""
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])
    return torch.stack([(0.5 + k / 2 + 9 - (rows + columns) / 3).clamp(0, 1) for k in range(frames)])


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("moving", [False, True])
def test_outside_the_mask_the_frames_stay_and_a_resumed_run_takes_up_the_masks(moving, stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mp4", 12, size=(31, 47), pixel_format="yuv444p")
    masks = corners(12 if moving else 1, (31, 47))

    def interrupt(done, total):
        if done == 8:
            raise KeyboardInterrupt

    out = tmp_path / "out.mkv"
    with pytest.raises(KeyboardInterrupt):
        VideoJob(stylizer, source, out, styles[:1], crf=0, mask=masks).run(interrupt)
    with pytest.raises(AdaINError, match="found other values of mask;"):
        VideoJob(stylizer, source, out, styles[:1], crf=0, mask=1 - masks)
    job = VideoJob(stylizer, source, out, styles[:1], crf=0, mask=masks)
    assert job.done == 5
    job.run()
    for k, (before, after) in enumerate(zip(levels_of(source), levels_of(out), strict=True)):
        mask = masks[k if moving else 0]
        error = abs(after - stylized(stylizer, before, styles[0], masks=[mask[None]]))
        assert error.mean() < 1
        assert error.max() < 4
        outside = mask.numpy() == 0
        assert abs(after[outside].astype(int) - before[outside]).max() <= 1  # H.264 without loss, but in YCbCr
        assert outside.mean() > 0.1


def test_each_frame_keeps_its_colours(stylizer, styles, tmp_path):
    """As the still image method does, with two styles between their keys."""
    source = write_clip(tmp_path / "clip.mp4", 3, size=(31, 47), pixel_format="yuv444p")
    controls = {"preserve_color": True, "style_size": 40}
    VideoJob(stylizer, source, tmp_path / "out.mkv", styles, keys=[0, 4], crf=0, **controls).run()
    for k, (before, after) in enumerate(zip(levels_of(source), levels_of(tmp_path / "out.mkv"), strict=True)):
        expected = stylized(stylizer, before, styles, weights=[1 - k / 4, k / 4], **controls)
        assert abs(after - expected).mean() < 1
        plain = stylized(stylizer, before, styles, weights=[1 - k / 4, k / 4], style_size=40)
        assert abs(expected - plain).mean() > 8


def test_encoded_styles_and_images_follow_each_other(stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mp4", 4, size=(31, 47), pixel_format="yuv444p")
    given = [stylizer.style(styles[0]), styles[1]]
    for name, which in (("a", given), ("b", styles)):
        VideoJob(stylizer, source, tmp_path / f"{name}.mkv", which, keys=[0, 3], crf=0).run()
    assert np.array_equal(levels_of(tmp_path / "a.mkv"), levels_of(tmp_path / "b.mkv"))


def test_encoded_styles_that_are_of_no_use_are_told_before_the_work(stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mp4", 2)
    style = stylizer.style(styles[0])
    for given, controls, message in (
        (style, {"preserve_color": True}, "preserve_color: expected style images, found an encoded style"),
        (replace(style, encoder_id="another"), {}, "expected everything to come from one encoder"),
        (replace(style, shallow=None), {"refine": 2}, "expected statistics at the four layers"),
        (stylizer.style(torch.cat([styles[0]] * 2)), {}, "style: expected a batch of 1"),
    ):
        with pytest.raises(AdaINError, match=message):
            VideoJob(stylizer, source, tmp_path / "out.mp4", [given], **controls)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.usefixtures("short_segments")
def test_a_run_that_finished_nothing_leaves_nothing(stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mp4", 7)

    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    for others in ([], ["diary.txt"]):
        job = VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1])
        for name in others:
            (tmp_path / "out.mp4.parts" / name).write_text("mine")
        with pytest.raises(KeyboardInterrupt):
            job.run(interrupt)
        assert (tmp_path / "out.mp4.parts").is_dir() == bool(others)
    VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1]).run()
    assert len(levels_of(tmp_path / "out.mp4")) == 7


@pytest.mark.usefixtures("short_segments")
def test_segments_of_other_settings_are_refused(stylizer, styles, tmp_path, monkeypatch):
    source = write_clip(tmp_path / "clip.mp4", 12)

    def interrupt(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1]).run(interrupt)
    with pytest.raises(AdaINError, match=r"found other values of alpha, crf; go on with those, or remove the folder"):
        VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1], alpha=0.5, crf=20)
    with pytest.raises(AdaINError, match=r"found other values of styles;"):
        VideoJob(stylizer, source, tmp_path / "out.mp4", styles[1:])
    job = VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1])
    assert (job.done, job.total) == (5, 12)
    job.run()
    assert len(levels_of(tmp_path / "out.mp4")) == 12


@pytest.mark.slow
@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("flow", [False, True])
def test_smoothing_goes_on_from_where_it_stopped(flow, stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mp4", 13, size=(41, 55), pixel_format="yuv444p")

    def job(name, **controls):
        return VideoJob(stylizer, source, tmp_path / name, styles, keys=[0, 12], crf=0, **controls)

    def interrupt(done, total):
        if done == 12:
            raise KeyboardInterrupt

    smoothing = {"smooth": 0.6, "flow": flow}
    job("whole.mp4", **smoothing).run()
    with pytest.raises(KeyboardInterrupt):
        job("out.mp4", **smoothing).run(interrupt)
    resumed = job("out.mp4", **smoothing)
    assert resumed.done == 10
    resumed.run()
    whole, out = (levels_of(tmp_path / f"{name}.mp4") for name in ("whole", "out"))
    assert np.array_equal(whole, out)
    smoother, track = TemporalSmoother(0.6, flow), StyleTrack([stylizer.style(pixels) for pixels in styles], [0, 12])
    for number, levels in enumerate(levels_of(source)):
        pixels = torch.from_numpy(levels).permute(2, 0, 1)[None].float() / 255
        features, cuts = smoother.apply(stylizer.encode(pixels), mix(*track.at(number)))
        expected = smoother.blend(stylizer.decode(features), pixels, cuts)[0].permute(1, 2, 0).numpy() * 255
        assert abs(out[number] - expected).mean() < 1
    plain = stylizer.stylize(pixels, [mix(*track.at(number))])[0].permute(1, 2, 0).numpy() * 255
    assert abs(plain - expected).mean() > 2, "the last frame shows what smoothing does"


@pytest.mark.usefixtures("short_segments")
def test_a_run_interrupted_when_all_frames_are_done(stylizer, styles, tmp_path, monkeypatch):
    source = write_clip(tmp_path / "clip.mp4", 7)

    def interrupt(*_):
        raise KeyboardInterrupt

    first = VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1], smooth=0.5)
    with monkeypatch.context() as patch:
        patch.setattr(video_job, "join", interrupt)
        with pytest.raises(KeyboardInterrupt):
            first.run()
    job = VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1], smooth=0.5)
    assert job.done == 7
    job.run()
    before, after = VideoReader(source), VideoReader(tmp_path / "out.mp4")
    assert seconds(after, after.frames()) == seconds(before, before.frames())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]


@pytest.mark.usefixtures("short_segments")
def test_what_is_not_ours_survives_the_end_of_the_video(stylizer, styles, tmp_path):
    """The user, or the system, puts files into the folder of segments while the video is made."""
    source, parts = write_clip(tmp_path / "clip.mp4", 7), tmp_path / "out.mp4.parts"
    foreign = {".DS_Store": b"finder", "notes.txt": b"mine", "2024.nut": b"not a segment", "old/000000.nut": b"kept"}

    def visit(done, total):
        if done == 6:
            for name, data in foreign.items():
                (parts / name).parent.mkdir(exist_ok=True)
                (parts / name).write_bytes(data)

    VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1], smooth=0.5).run(visit)
    assert len(levels_of(tmp_path / "out.mp4")) == 7
    assert files_of(parts) == foreign


@pytest.mark.usefixtures("short_segments")
def test_a_clock_that_starts_anywhere(stylizer, styles, tmp_path):
    """A transport stream from the middle of a broadcast: pictures and sound begin at 0 and stay together."""
    clips = [write_clip(tmp_path / f"{start}.ts", 8, time_base=Fraction(1, 90000), start=start) for start in (0, 36000)]
    with av.open(str(clips[1])) as container:
        assert container.start_time > 35999 * 10**6
    for clip in clips:
        VideoJob(stylizer, clip, clip.with_suffix(".mp4"), styles[:1], crf=0).run()
    early, late = (VideoReader(clip.with_suffix(".mp4")) for clip in clips)
    assert seconds(late, late.frames()) == seconds(early, early.frames())
    assert sound_of(late.path) == sound_of(early.path)
    assert min(seconds(late, late.frames())) < 0.2
    whole = list(VideoReader(clips[1]).frames())
    assert [frame.pts for frame in VideoReader(clips[1]).frames(after=whole[5].pts)] == [f.pts for f in whole[6:]]


class Failing:
    """A container whose disk fails after some packets."""

    def __init__(self, container, packets):
        self.container, self.packets = container, packets

    def __getattr__(self, name):
        return getattr(self.container, name)

    def demux(self, *streams):
        yield from itertools.islice(self.container.demux(*streams), self.packets)
        raise av.error.OSError(5, "Input/output error")


@pytest.mark.usefixtures("short_segments")
def test_a_disk_that_fails_is_no_end_of_the_film(stylizer, styles, tmp_path, monkeypatch):
    source = write_clip(tmp_path / "clip.mkv", 12, encoder="mjpeg", pixel_format="yuvj420p")
    job = VideoJob(stylizer, source, tmp_path / "out.mkv", styles[:1])
    opened = VideoReader._opened

    @contextmanager
    def failing(reader):
        with opened(reader) as (container, stream):
            yield Failing(container, 8), stream

    with monkeypatch.context() as patch:
        patch.setattr(VideoReader, "_opened", failing)
        with pytest.raises(AdaINError, match=r"clip.mkv: reading failed \(Input/output error\); run the command again"):
            job.run()
    assert not (tmp_path / "out.mkv").exists()
    job = VideoJob(stylizer, source, tmp_path / "out.mkv", styles[:1])
    assert job.done == 5
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_sound", lambda file, *rest, sound=writer._sound: sound(Failing(file, 3), *rest))
        with pytest.raises(AdaINError, match=r"clip.mkv: reading failed \(Input/output error\); run the command again"):
            job.run()
    job = VideoJob(stylizer, source, tmp_path / "out.mkv", styles[:1])
    assert job.done == 12
    job.run()
    assert len(levels_of(tmp_path / "out.mkv")) == 12


@pytest.mark.usefixtures("short_segments")
def test_a_part_with_its_sound(stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mp4", 20)
    part = VideoReader(source, 0.2, 0.4)
    job = VideoJob(stylizer, part, tmp_path / "out.mp4", styles[:1])
    assert job.total == 10
    job.run()
    after = VideoReader(tmp_path / "out.mp4")
    assert seconds(after, after.frames()) == [Fraction(k, 25) for k in range(10)]
    expected = [(when - Fraction(1, 5), data) for when, data in sound_of(source) if 0.2 <= when < 0.6]
    assert [data for _, data in sound_of(after.path)] == [data for _, data in expected]
    for (when, _), (wanted, _) in zip(sound_of(after.path), expected, strict=True):
        assert abs(when - wanted) < Fraction(1, 1000)


def test_sound_that_the_format_refuses_only_when_the_file_ends(stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mkv", 3, sound="pcm_s16le")
    with pytest.raises(AdaINError, match=r"expected a format that holds the source's pictures and sound, found \.mp4"):
        VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1])
    VideoJob(stylizer, source, tmp_path / "out.mkv", styles[:1]).run()
    assert sound_of(tmp_path / "out.mkv") == sound_of(source)


@pytest.mark.slow
def test_a_real_clip_stylized(stylizer, styles, tmp_path):
    # Its first packets as a file of their own.
    with av.open(str(real_clip("tree.avi"))) as source, av.open(str(tmp_path / "tree.avi"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in itertools.islice(source.demux(video=0), 3):
            packet.stream = stream
            target.mux(packet)
    VideoJob(stylizer, tmp_path / "tree.avi", tmp_path / "out.mp4", styles[:1], crf=4).run()
    before, after = VideoReader(tmp_path / "tree.avi"), VideoReader(tmp_path / "out.mp4")
    originals, results = list(before.frames()), list(after.frames())
    assert len(results) == 3
    assert seconds(after, results) == seconds(before, originals)
    expected = stylized(stylizer, originals[1].levels, styles[0])
    assert abs(results[1].levels - coarse_chroma(expected)).mean() < 2
