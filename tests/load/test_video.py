"""The check of a long video's frames."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("av", reason="reads videos")

from adain_core.video.reader import VideoReader
from tests.adain_core.clips import picture, write_clip
from tests.load.video import SEGMENT_FRAMES, check, finished


def test_frames_are_compared_with_those_expected_again_and_again(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", 10, sound=None, show=lambda k, size: picture(k % 4, size))
    shown = [frame.levels.astype(float) for frame in VideoReader(clip).frames()][:4]
    assert check(clip, shown) == (10, 0.0)
    count, worst = check(clip, [*shown[:3], np.clip(shown[3] + 7, 0, 255)])
    assert (count, round(worst)) == (10, 7)
    assert check(clip, shown[1:] + shown[:1])[1] > 3


def test_the_last_segment_may_be_shorter(tmp_path):
    for number in range(3):
        (tmp_path / f"00000{number}.nut").touch()
        (tmp_path / f"00000{number}.safetensors").touch()
    (tmp_path / ".000003.0123abcd.nut").touch()
    assert finished(tmp_path, 1000) == 3 * SEGMENT_FRAMES
    assert finished(tmp_path, 100) == 100
