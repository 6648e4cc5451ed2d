"""Videos read: damaged ones, frames of several sizes, and frames after a given one."""

from __future__ import annotations

import itertools
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageCms

pytest.importorskip("av")

from adain_core.video import reader as video_reader
from adain_core.video.reader import SDR, VideoReader, _display_matrix
from tests.adain_core.clips import levels_of, packets_of, real_clip, write_clip, write_packets


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


def test_a_film_cut_short_ends_there(tmp_path):
    clip = write_clip(tmp_path / "clip.avi", 12, encoder="mjpeg", pixel_format="yuvj420p", sound=None)
    short = tmp_path / "short.avi"
    short.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    assert 5 <= len(list(VideoReader(short).frames())) < 12


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


def test_a_real_clip_whose_b_frames_have_no_time_stamps(tmp_path):
    reader = VideoReader(real_clip("Megamind.avi"))
    frames = list(itertools.islice(reader.frames(), 12))
    assert [frame.pts for frame in frames] == list(range(1, 13))
    following = next(reader.frames(after=7))
    assert following.pts == 8
    assert np.array_equal(following.levels, frames[7].levels)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.ts"])
def test_a_part_is_those_frames_counted_from_its_start(name, tmp_path):
    """A second has 25 frames. Seeking finds the key frames of the first, not of all."""
    encoder = "mpeg4" if name.endswith("avi") else "libx264"
    clip = write_clip(tmp_path / name, 30, encoder=encoder, sound=None, time_base=Fraction(1, 25))
    whole = list(VideoReader(clip).frames())
    begun = whole[0].pts
    base = VideoReader(clip).info.time_base
    for start, duration, expected in [(0.2, 0.0, range(5, 30)), (0.4, 0.52, range(10, 23)), (0.0, 0.32, range(8))]:
        reader = VideoReader(clip, start + float(begun * base), duration)
        part = list(reader.frames())
        assert [frame.pts - part[0].pts for frame in part] == [whole[k].pts - whole[expected[0]].pts for k in expected]
        assert 0 <= part[0].pts * base - (begun * base if not start else 0) < Fraction(1, 25)
        assert all(np.array_equal(a.levels, whole[k].levels) for a, k in zip(part, expected, strict=True))
        assert [frame.pts for frame in reader.frames(after=part[3].pts)] == [frame.pts for frame in part[4:]]


def test_a_part_without_frames(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 5, sound=None)
    with pytest.raises(ValueError, match=r"clip\.mp4: expected frames from second 3\.0 to 4\.5, found none"):
        list(VideoReader(clip, 3.0, 1.5).frames())


def bt2020_of(red: float, green: float, blue: float) -> np.ndarray:
    """Levels of BT.709, light, in BT.2020: the inverse of ITU-R BT.2087's matrix."""
    to_bt709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
    return np.linalg.solve(to_bt709, np.array([red, green, blue]))


def pq(nits: np.ndarray) -> np.ndarray:
    """The inverse EOTF of SMPTE ST 2084."""
    y = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


@pytest.mark.parametrize(
    ("color", "code", "names"),
    [
        ((9, 1, 9, 16), lambda light: pq(203 * light), "PQ, BT.2020"),  # 203 cd/m2 is white, ITU-R BT.2408
        ((9, 1, 9, 14), lambda light: light ** (1 / 2.4), "BT.2020"),
    ],
)
def test_wide_gamut_and_high_dynamic_range_become_bt709(color, code, names, tmp_path):
    wanted = [(0.2, 0.2, 0.2), (0.5, 0.5, 0.5), (0.4, 0.3, 0.25), (0.2, 0.3, 0.4)]
    shown = [np.broadcast_to(code(bt2020_of(*light)) * 255, (32, 48, 3)).round().astype(np.uint8) for light in wanted]
    clip = write_clip(
        tmp_path / "clip.mp4", 4, pixel_format="yuv420p10le", color=color, sound=None, show=lambda k, _: shown[k]
    )
    reader = VideoReader(clip)
    cut = "; what is brighter than white is cut off" if "PQ" in names else ""
    assert reader.remark == f"its colours ({names}) become those of BT.709{cut}"
    assert reader.info.color == SDR
    for frame, light in zip(reader.frames(), wanted, strict=True):
        expected = np.array(light) ** (1 / 2.4) * 255
        assert abs(frame.levels[16, 24] / 257 - expected).max() < 5, light  # a level of PQ is two of BT.709 here


def test_where_ffmpeg_cannot_convert_colours_stay_and_it_is_said(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", 2, color=(9, 1, 9, 18), sound=None)
    plain = levels_of(write_clip(tmp_path / "plain.mp4", 2, color=(9, 1, 1, 1), sound=None))
    monkeypatch.setattr(video_reader, "converts_colors", lambda: False)
    reader = VideoReader(clip)
    assert reader.remark == "its colours (HLG, BT.2020) are taken as those of BT.709: 'pip install -U av' converts them"
    assert reader.info.color.transfer == 18
    assert np.array_equal(levels_of(clip), plain)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_rotation_beside_side_data_that_pyav_does_not_know(turns, tmp_path):
    """A camera's frame: PyAV refuses all of its side data, but knows the rotation. Written, it is the same again."""

    class Frame:
        rotation = {0: 0, 1: 90, 2: 180, 3: -90}[turns]

        @property
        def side_data(self):
            raise ValueError("31 is not a valid Type")

    matrix = _display_matrix(Frame(), "h264")
    clip = write_clip(tmp_path / "clip.mp4", 1, matrix=matrix, sound=None)
    assert VideoReader(clip).info.turns == turns


_READS = """
import gc, sys
from adain_core.video.reader import VideoReader
for _ in range(8):
    assert len(list(VideoReader(sys.argv[1]).frames())) == 1
    gc.collect()
"""


@pytest.mark.slow
def test_a_png_with_a_colour_profile_does_not_crash_the_process(tmp_path):
    """As all PNGs that are written here: PyAV frees the profile's name twice after a look at a frame's side data."""
    picture = Image.new("RGB", (32, 32), (200, 40, 90))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(tmp_path / "tagged.png", icc_profile=profile)
    run = subprocess.run([sys.executable, "-c", _READS, tmp_path / "tagged.png"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
