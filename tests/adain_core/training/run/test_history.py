"""The loss history and the pictures drawn from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from adain_core.training.run.history import History, smooth
from adain_core.training.run.plots import plot_losses, sample_grid


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


def blue_rows(image):
    """Per column of the plot, the mean row of the first curve's colour."""
    pixels = np.asarray(image).astype(int)
    blue = (abs(pixels - np.array([0x1F, 0x5F, 0xA8])).sum(axis=2) < 30)[40:]
    return {x: float(np.nonzero(blue[:, x])[0].mean()) for x in range(blue.shape[1]) if blue[:, x].any()}


def test_a_falling_loss_falls_in_the_plot():
    rows = blue_rows(plot_losses(range(1, 101), {"content": [100 / k for k in range(1, 101)]}))
    left, right = min(rows), max(rows)
    assert right - left > 700
    assert rows[right] - rows[left] > 250


@pytest.mark.parametrize(
    "curve", [[], [1.0], [2.0] * 50, [0.0] * 5, [1.0, float("nan"), 2.0], [1e-8, 1e8]], ids=lambda c: str(c[:2])
)
def test_odd_curves_are_drawn_without_complaint(curve):
    assert plot_losses(range(1, len(curve) + 1), {"content": curve, "style": curve}).size == (900, 480)


def test_grid_places_every_image():
    columns = {"content": torch.rand(2, 3, 16, 24), "stylized": torch.rand(2, 3, 16, 24)}
    grid = np.asarray(sample_grid(columns))
    for c, images in enumerate(columns.values()):
        for r in range(2):
            y, x = 22 + 4 + r * 20, 4 + c * 28
            expected = (images[r].permute(1, 2, 0).numpy() * 255).round()
            assert np.array_equal(grid[y : y + 16, x : x + 24], expected.astype(np.uint8))
