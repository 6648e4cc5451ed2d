"""Segments written and joined: every time stamp and packet arrives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from adain_core import AdaINError

pytest.importorskip("av")

from adain_core.video.reader import VideoFrame, VideoReader
from adain_core.video.writer import check_container, join, segment_end, write_segment
from tests.adain_core.clips import seconds, sound_of, write_clip


def test_segments_become_one_video(tmp_path):
    times = list(itertools.accumulate([777, 24, 24, 70, 11, 24, 24, 100, 24, 11, 11, 24]))
    reader = VideoReader(write_clip(tmp_path / "clip.mp4", 12, size=(31, 47), times=times, pixel_format="yuv444p"))
    frames, segments = list(reader.frames()), []
    for number, part in enumerate((frames[:5], frames[5:10], frames[10:])):
        segments.append(tmp_path / f"{number}.nut")
        write_segment(segments[-1], part, reader.info, crf=0)
        assert segment_end(segments[-1], reader.info) == (len(part), part[-1].pts)
    join(tmp_path / "out.mp4", segments, reader.path, reader.info, 0)
    joined = VideoReader(tmp_path / "out.mp4")
    found = list(joined.frames())
    assert seconds(joined, found) == seconds(reader, frames)
    assert sound_of(joined.path) == sound_of(reader.path)
    for a, b in zip(found, frames, strict=True):
        assert abs(a.levels.astype(int) - b.levels).max() <= 3  # of RGB through YCbCr


def test_a_segment_of_one_frame(tmp_path):
    info = VideoReader(write_clip(tmp_path / "clip.mp4", 2, sound=None)).info
    write_segment(tmp_path / "0.nut", [VideoFrame(7, np.zeros((32, 48, 3), np.uint8))], info, crf=18)
    assert segment_end(tmp_path / "0.nut", info) == (1, 7)
    join(tmp_path / "out.mkv", [tmp_path / "0.nut"], tmp_path / "clip.mp4", info, 18)
    (frame,) = VideoReader(tmp_path / "out.mkv").frames()
    assert frame.levels.max() <= 1


def test_containers_that_cannot_hold_the_source(tmp_path):
    source = write_clip(tmp_path / "clip.mkv", 2, sound="tta")
    info = VideoReader(source).info
    check_container("out.mkv", source, info)
    with pytest.raises(AdaINError, match=r"found \.mp4, which does not .*; \.mkv holds nearly any"):
        check_container("out.mp4", source, info)
    with pytest.raises(
        AdaINError, match=r"out: expected a name ending in \.mp4, \.mov, \.mkv \(or \.gif, \.webp\), found none"
    ):
        check_container("out", source, info)
