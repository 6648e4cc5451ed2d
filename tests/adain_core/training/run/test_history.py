"""The loss history and the pictures drawn from it."""

from __future__ import annotations

import math

import pytest

from adain_core.training.run.history import History, smooth


def history(count):
    found = History()
    for k in range(count):
        found.append({"total": float(k), "content": 2.0 * k})
    return found


def test_tensor_and_back_is_exact():
    ours = history(7)
    ours.append({"total": 1 / 3, "content": math.pi})
    theirs = History.from_tensor(ours.names, ours.as_tensor())
    assert (theirs.names, theirs.rows) == (ours.names, ours.rows)
    assert History().as_tensor().shape == (0, 0)


def test_thinned_curves_are_means_of_equal_stretches():
    thin = history(10).thinned(4)
    assert thin["step"] == [3, 6, 9, 10]
    assert thin["total"] == [1.0, 4.0, 7.0, 9.0]
    assert history(3).thinned(1000)["content"] == [0.0, 2.0, 4.0]
    assert history(0).thinned() == {"step": []}


def test_smoothing_starts_at_the_first_value_and_follows():
    assert smooth([5.0, 5.0, 5.0]) == pytest.approx([5.0] * 3)
    assert smooth([0.0] * 5 + [1.0] * 500)[-1] == pytest.approx(1, abs=1e-3)
    assert smooth([1.0, 3.0], share=0.5)[1] == pytest.approx((0.5 * 1 + 3) / 1.5)
    assert history(3).latest()["total"] == pytest.approx(smooth([0.0, 1.0, 2.0])[-1])
