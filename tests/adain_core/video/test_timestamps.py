"""Time stamps: whether they increase."""

from __future__ import annotations

import itertools

from adain_core.video.timestamps import timestamps_increase


def test_whether_time_stamps_increase():
    forever = itertools.count()
    assert timestamps_increase((k ^ 1 for k in forever), until=50)  # in pairs the wrong way round, as of B-frames
    assert next(forever) < 100
    assert timestamps_increase([3, 1, 2], until=9)
    assert not timestamps_increase([1, 3, 2, 3], until=9)
    assert not timestamps_increase([1, None], until=9)
    assert not timestamps_increase([*range(60), *range(40, 90)], until=80)
    assert timestamps_increase([*range(60), 5], until=20)  # what comes later does not matter
