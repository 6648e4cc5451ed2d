"""Intervals and how they are told."""

from __future__ import annotations

import math

import pytest

from adain_core.training.ranges import AT_LEAST_1, POSITIVE, SEED, SHARE, WEIGHT


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        (AT_LEAST_1, [1, 10**9], [0, -1, math.inf]),
        (SEED, [0, 2**64 - 1], [-1, 2**64]),
        (WEIGHT, [0, 0.0, 1e300], [-1e-9, math.inf, math.nan]),
        (SHARE, [0, 0.5, 1], [-0.1, 1.0000001, math.nan]),
        (POSITIVE, [1e-300, 5], [0, 0.0, -1, math.inf, math.nan]),
    ],
)
def test_what_lies_inside(limits, inside, outside):
    assert all(value in limits for value in inside)
    assert not any(value in limits for value in outside)


def test_sentences():
    assert [str(limits) for limits in (AT_LEAST_1, WEIGHT, SHARE, POSITIVE)] == [
        "a whole number of at least 1",
        "a number of at least 0",
        "a share from 0 to 1",
        "a number above 0",
    ]
    assert [limits.limits for limits in (AT_LEAST_1, SHARE, POSITIVE)] == ["at least 1", "from 0 to 1", "above 0"]
