"""Videos: what is kept, what is stylized, and what a kill leaves."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from adain_core import AdaINError, Stylizer
from adain_core.cli.main import main
from adain_core.images.files import load_picture, to_image
from adain_core.method.style import mix
from adain_core.video import job as video_job
from adain_core.video.smoothing import TemporalSmoother
from adain_core.video.style_keyframes import StyleTrack
from tests.conftest import ROOT

av = pytest.importorskip("av")

from adain_core.video import writer  # noqa: E402
from adain_core.video.job import VideoJob  # noqa: E402
from adain_core.video.reader import VideoReader, conversion  # noqa: E402
from adain_core.video.timestamps import timestamps_increase  # noqa: E402
from tests.adain_core.clips import QUARTER_CLOCKWISE, add_tone, picture, sound_of, write_clip  # noqa: E402

pytestmark = pytest.mark.usefixtures("single_thread")
CLIPS = Path("/usr/share/doc/opencv-doc/examples/data")  # Debian's opencv-doc


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


@pytest.fixture(scope="module")
def styles(examples):
    names = ("starry_night", "safe_landing")
    return [load_picture(examples / f"style_{name}.jpg").pixels[:, :, ::8, ::8] for name in names]


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr(video_job, "SEGMENT_FRAMES", 5)


def seconds(reader, frames):
    return [frame.pts * reader.info.time_base for frame in frames]


def levels_of(path):
    return np.stack([frame.levels for frame in VideoReader(path).frames()])


def stylized(stylizer, levels, *arguments, **controls):
    """The still image method's result for one frame, in levels."""
    pixels = torch.from_numpy(levels.astype(np.float32)).permute(2, 0, 1)[None] / np.iinfo(levels.dtype).max
    return stylizer.stylize(pixels, *arguments, **controls)[0].permute(1, 2, 0).numpy() * 255


def coarse_chroma(levels):
    """Levels after 4:2:0, which leaves one colour to four pixels."""
    frame = av.VideoFrame.from_ndarray(levels.round().astype(np.uint8), format="rgb24")
    frame = frame.reformat(format="yuv420p", interpolation=conversion())
    return frame.to_ndarray(format="rgb24", interpolation=conversion()).astype(float)


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_phone_video_keeps_all_but_its_look(suffix, stylizer, styles, tmp_path):
    # Late start, varying rate, odd size, full range BT.2020, wide pixels, a quarter turn, priming before the sound.
    times = list(itertools.accumulate([777, 24, 24, 70, 11, 24, 24, 100, 24, 11, 11, 24]))
    source = write_clip(
        tmp_path / "phone.mp4",
        12,
        size=(31, 47),
        times=times,
        pixel_format="yuv444p",
        color=(9, 2, 9, 16),
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


def test_the_track(stylizer, styles):
    one, two = (stylizer.style(pixels) for pixels in styles)
    track = StyleTrack([one, two, one], [10, 20, 40])
    for frame, shares in [(0, (1, 0)), (10, (1, 0)), (13, (0.7, 0.3)), (20, (0, 1)), (35, (0.75, 0.25)), (99, (1, 0))]:
        for found, a, b in zip(track.at(frame).statistics, one.statistics, two.statistics, strict=True):
            torch.testing.assert_close(found, shares[0] * a + shares[1] * b)
    for found, expected in zip(
        StyleTrack([one, two]).at(7).statistics, mix([one, two], [1, 1]).statistics, strict=True
    ):
        assert torch.equal(found, expected)


def test_a_killed_run_goes_on_and_equals_an_uninterrupted_one(stylizer, styles, examples, tmp_path, monkeypatch):
    monkeypatch.setattr(video_job, "SEGMENT_FRAMES", 6)
    source = write_clip(tmp_path / "clip.mp4", 36)
    style = examples / "style_starry_night.jpg"
    arguments = ["video", source, style, "--style-size", "32", "--device", "cpu", "-o"]
    assert main([str(a) for a in [*arguments, tmp_path / "whole.mp4"]]) == 0
    code = (
        "import sys, adain_core.video.job as v; from adain_core.cli.main import main;"
        "v.SEGMENT_FRAMES = 6; main(sys.argv[1:])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments, tmp_path / "out.mp4"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    parts = tmp_path / "out.mp4.parts"
    try:
        while process.poll() is None and not (parts / "000001.nut").exists():
            time.sleep(0.002)
    finally:
        process.kill()
        assert process.wait() == -9
    assert not (tmp_path / "out.mp4").exists()
    finished = len(list(parts.glob("[0-9]*.nut")))
    assert 2 <= finished < 6
    stamps = {path: path.stat().st_mtime_ns for path in parts.glob("[0-9]*.nut")}

    def joined(path, segments, *rest):
        assert stamps.items() <= {path: path.stat().st_mtime_ns for path in segments}.items()
        join(path, segments, *rest)

    join = video_job.join
    monkeypatch.setattr(video_job, "join", joined)
    assert main([str(a) for a in [*arguments, tmp_path / "out.mp4"]]) == 0
    assert not parts.exists()
    whole, resumed = VideoReader(tmp_path / "whole.mp4"), VideoReader(tmp_path / "out.mp4")
    assert seconds(whole, whole.frames()) == seconds(resumed, resumed.frames())
    assert np.array_equal(levels_of(whole.path), levels_of(resumed.path))
    assert len(levels_of(whole.path)) == 36


@pytest.mark.usefixtures("short_segments")
def test_segments_of_other_settings_are_refused(stylizer, styles, tmp_path, monkeypatch):
    source = write_clip(tmp_path / "clip.mp4", 12)

    def interrupt(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1]).run(interrupt)
    with pytest.raises(AdaINError, match=r"found others for alpha, crf; go on with those, or remove the folder"):
        VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1], alpha=0.5, crf=20)
    with pytest.raises(AdaINError, match=r"found others for styles"):
        VideoJob(stylizer, source, tmp_path / "out.mp4", styles[1:])
    job = VideoJob(stylizer, source, tmp_path / "out.mp4", styles[:1])
    assert (job.done, job.total) == (5, 12)
    job.run()
    assert len(levels_of(tmp_path / "out.mp4")) == 12


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("flow", [False, True])
def test_smoothing_goes_on_from_where_it_stopped(flow, stylizer, styles, tmp_path):
    if flow:
        pytest.importorskip("cv2")
    source = write_clip(tmp_path / "clip.mp4", 13, size=(41, 55), pixel_format="yuv444p")

    def job(name, **controls):
        return VideoJob(stylizer, source, tmp_path / name, styles, keys=[0, 12], crf=0, **controls)

    def interrupt(done, total):
        if done == 12:
            raise KeyboardInterrupt

    smoothing = {"smooth": 0.6, "flow": flow}
    job("plain.mp4").run()
    job("whole.mp4", **smoothing).run()
    with pytest.raises(KeyboardInterrupt):
        job("out.mp4", **smoothing).run(interrupt)
    resumed = job("out.mp4", **smoothing)
    assert resumed.done == 10
    resumed.run()
    plain, whole, out = (levels_of(tmp_path / f"{name}.mp4") for name in ("plain", "whole", "out"))
    assert np.array_equal(whole, out)
    assert np.array_equal(whole[0], plain[0])
    assert abs(whole[9:].astype(int) - plain[9:]).mean() > 0.5
    smoother, track = TemporalSmoother(0.6, flow), StyleTrack([stylizer.style(pixels) for pixels in styles], [0, 12])
    for number, levels in enumerate(levels_of(source)):
        pixels = torch.from_numpy(levels).permute(2, 0, 1)[None].float() / 255
        features, cuts = smoother.apply(stylizer.encode(pixels), track.at(number))
        expected = smoother.blend(stylizer.decode(features), pixels, cuts)[0].permute(1, 2, 0).numpy() * 255
        assert abs(out[number] - expected).mean() < 1


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


def test_a_foreign_folder_is_left_alone(stylizer, styles, tmp_path):
    source = write_clip(tmp_path / "clip.mp4", 2)
    (tmp_path / "out.mp4.parts").mkdir()
    (tmp_path / "out.mp4.parts/diary.txt").write_text("mine")
    with pytest.raises(AdaINError, match=r"found one without settings\.json"):
        VideoJob(stylizer, source, tmp_path / "out.mp4", styles)
    assert (tmp_path / "out.mp4.parts/diary.txt").read_text() == "mine"


def packets_of(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def write_packets(path, packets, size, times=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25, width=size[1], height=size[0], pix_fmt="yuvj420p")
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.pts = packet.dts = number if times is None else times[number]
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            container.mux(packet)


def test_broken_packets_are_left_out(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", 6, encoder="mjpeg", pixel_format="yuvj420p", sound=None)
    packets = packets_of(clip)
    packets[2] = b"\0" * 200
    write_packets(tmp_path / "broken.avi", packets, (32, 48))
    reader = VideoReader(tmp_path / "broken.avi")
    frames = list(reader.frames())
    assert [frame.pts for frame in frames] == [0, 1, 3, 4, 5]
    assert reader.damaged == 1
    assert np.array_equal(frames[2].levels, levels_of(clip)[3])


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path):
    packets = [
        packets_of(
            write_clip(tmp_path / f"{size[0]}.avi", 3, size, encoder="mjpeg", pixel_format="yuvj420p", sound=None)
        )
        for size in [(32, 48), (64, 80)]
    ]
    write_packets(tmp_path / "clip.mkv", itertools.chain(*packets), (32, 48))
    assert [frame.levels.shape for frame in VideoReader(tmp_path / "clip.mkv").frames()] == [(32, 48, 3)] * 6


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_frames_after_one_are_the_same_as_from_the_start(name, tmp_path):
    encoder = "libx264" if name.endswith("mp4") else "mpeg4"
    reader = VideoReader(write_clip(tmp_path / name, 20, encoder=encoder, sound=None, time_base=Fraction(1, 25)))
    whole = list(reader.frames())
    assert len(whole) == 20
    for start in (0, 5, 6, 13, 18, 19):
        rest = list(reader.frames(after=whole[start].pts))
        assert [frame.pts for frame in rest] == [frame.pts for frame in whole[start + 1 :]]
        assert all(np.array_equal(a.levels, b.levels) for a, b in zip(rest, whole[start + 1 :], strict=True))


def test_frames_after_one_whose_time_stamps_repeat(tmp_path):
    """Those that are made up for such frames depend on all before."""
    times = [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9]  # a frame later than they should be from there on
    packets = packets_of(
        write_clip(tmp_path / "clip.avi", len(times), encoder="mjpeg", pixel_format="yuvj420p", sound=None)
    )
    write_packets(tmp_path / "clip.mkv", packets, (32, 48), times)
    reader = VideoReader(tmp_path / "clip.mkv")
    whole = list(reader.frames())
    assert len(whole) == len(times)
    for start in range(len(whole)):
        rest = list(reader.frames(after=whole[start].pts))
        assert [frame.pts for frame in rest] == [frame.pts for frame in whole[start + 1 :]]
        assert all(np.array_equal(a.levels, b.levels) for a, b in zip(rest, whole[start + 1 :], strict=True))


def test_whether_stamps_rise():
    forever = itertools.count()
    assert timestamps_increase((k ^ 1 for k in forever), until=50)  # in pairs the wrong way round, as of B-frames
    assert next(forever) < 100
    assert timestamps_increase([3, 1, 2], until=9)
    assert not timestamps_increase([1, 3, 2, 3], until=9)
    assert not timestamps_increase([1, None], until=9)
    assert not timestamps_increase([*range(60), *range(40, 90)], until=80)
    assert timestamps_increase([*range(60), 5], until=20)  # what comes later does not matter


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
        with pytest.raises(AdaINError, match=r"clip.mkv: expected a file that can be read to its end, found an error"):
            job.run()
    assert not (tmp_path / "out.mkv").exists()
    job = VideoJob(stylizer, source, tmp_path / "out.mkv", styles[:1])
    assert job.done == 5
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_sound", lambda file, *rest, sound=writer._sound: sound(Failing(file, 3), *rest))
        with pytest.raises(AdaINError, match=r"clip.mkv: expected a file that can be read to its end, found an error"):
            job.run()
    job = VideoJob(stylizer, source, tmp_path / "out.mkv", styles[:1])
    assert job.done == 12
    job.run()
    assert len(levels_of(tmp_path / "out.mkv")) == 12


def test_a_film_cut_short_ends_there(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", 12, encoder="mjpeg", pixel_format="yuvj420p", sound=None)
    short = tmp_path / "short.avi"
    short.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    assert 5 <= len(list(VideoReader(short).frames())) < 12


def real_clip(name):
    if not (CLIPS / name).is_file():
        pytest.skip("needs Debian's opencv-doc")
    return CLIPS / name


def test_a_real_clip_whose_b_frames_have_no_time_stamps(tmp_path):
    reader = VideoReader(real_clip("Megamind.avi"))
    frames = list(itertools.islice(reader.frames(), 12))
    assert [frame.pts for frame in frames] == list(range(1, 13))
    following = next(reader.frames(after=7))
    assert following.pts == 8
    assert np.array_equal(following.levels, frames[7].levels)


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.mp4", "style.png"], "none.mp4: expected a video file, found nothing"),
        (["text.mp4", "style.png"], "text.mp4: expected a video file, found one that cannot be read"),
        (["sound.m4a", "style.png"], "sound.m4a: expected a video, found a file without pictures"),
        (["clip.mkv", "style.png", "--alpha", "2"], "alpha: expected a number from 0"),
        (["clip.mkv", "style.png", "--crf", "60"], "crf: expected a number from 0 (best) to 51, found 60"),
        (["clip.mkv", "style.png", "--keys", "0", "9"], "keys: expected one frame for each of 1 styles, found 2"),
        (["clip.mkv", "style.png", "style.png", "--keys", "9", "9"], "keys: expected frames that rise from 0"),
        (["clip.mkv", "style.png", "--smooth", "2"], "smoothing: expected a number from 0 (none) to 1, found 2"),
        (["clip.mkv", "style.png", "--precision", "int8"], "precision: expected one of auto, float32"),
        (["clip.mkv", "style.png", "--flow"], "flow: expected smoothing above 0 with it, found 0"),
        (["clip.mkv", "style.png", "--style-size", "-1"], "--style-size: expected 0 or a number"),
        (["clip.mkv", "style.png", "-o", "out.avi"], "out.avi: expected a name ending in .mp4, .mov, .mkv"),
        (["clip.mkv", "style.png", "-o", "clip.mkv"], "clip.mkv: expected another file than the source"),
        (["clip.mkv", "style.png", "-o", "out.mp4"], "expected a format that holds the source's pictures and sound"),
        (["clip.mkv", "style.png", "-o", "text.mp4/out.mkv"], "expected a folder that can be made, found"),
    ],
)
def test_mistakes_are_one_line(arguments, message, styles, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mkv", 2, sound="tta")
    (tmp_path / "text.mp4").write_text("not a video")
    with av.open("sound.m4a", "w") as container:
        add_tone(container, container.add_stream("aac", rate=16000))
    to_image(styles[0][0]).save("style.png")
    before = sorted(tmp_path.rglob("*"))
    arguments = arguments if "-o" in arguments else [*arguments, "-o", "out.mkv"]
    assert main(["video", *arguments, "--device", "cpu"]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert "\n" not in error
    assert message in error
    assert sorted(tmp_path.rglob("*")) == before
