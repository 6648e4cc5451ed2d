"""Curves with their range."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageColor

from benchmarks.line_plot import _BOX, _COLORS, Line, _round_steps, line_plot


def rows_of(image, color, column):
    """The rows of a column in which a colour is."""
    pixels = np.asarray(image)[:, column].astype(int)
    return np.flatnonzero(np.abs(pixels - np.array(ImageColor.getrgb(color))).sum(1) < 30)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_values_lie_where_the_axis_says(logarithmic):
    left, top, right, bottom = _BOX
    lines = {"a": Line([0, 10], [100, 100], [50, 50], [200, 200]), "b": Line([0, 10], [50, 50])}
    image = line_plot(lines, "steps", "loss", logarithmic)
    middle = (left + right) // 2
    # From 0 to 1.05 times the largest value; logarithmic from the smallest to the largest, and 5 % more on both sides.
    heights = {"a": 0.55 / 1.1, "b": 0.05 / 1.1} if logarithmic else {"a": 100 / 210, "b": 50 / 210}
    for (name, height), color in zip(heights.items(), _COLORS, strict=False):
        expected = bottom - height * (bottom - top)
        assert abs(rows_of(image, color, middle + 3).mean() - expected) < 2, name
    inside = bottom - (0.8 / 1.1 if logarithmic else 150 / 210) * (bottom - top)
    red, _, blue = image.getpixel((middle + 3, round(inside)))
    assert blue > red + 10, "the range is blue"


def test_a_single_point_and_equal_values_are_drawn():
    assert (
        line_plot({"a": Line([3], [2.0])}, "steps", "loss").size
        == line_plot({"a": Line([1, 2], [2.0, 2.0])}, "steps", "loss", True).size
    )


def test_steps_are_round_and_within():
    assert _round_steps(0.0, 1300.0) == [0, 500, 1000]
    assert _round_steps(1, 1000) == [200, 400, 600, 800, 1000]
    assert _round_steps(48, 10_000) == [2000, 4000, 6000, 8000, 10_000]
    assert _round_steps(0.0, 7.35) == [0, 2, 4, 6]
    assert len(_round_steps(3, 3)) == 1


def test_one_curve_needs_no_name():
    line = Line([1, 2], [1.0, 2.0])
    above = slice(0, _BOX[1])
    one, two = (np.asarray(line_plot(lines, "frames", ""))[above] for lines in ({"a": line}, {"a": line, "b": line}))
    assert one.min() == 255
    assert two.min() < 255
