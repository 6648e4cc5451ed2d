"""Loss curves and grids of samples, looked at pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adain_core.training.run.plots import plot_losses, sample_grid


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
