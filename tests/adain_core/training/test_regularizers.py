"""Each regularizer against its formula, and its gradient against finite differences."""

from __future__ import annotations

import pytest
import torch

from adain_core.method.normalization import EPSILON
from adain_core.training.regularizers import anchor_loss, color_loss, grid_loss, range_loss, reconstruction_loss

pytestmark = pytest.mark.usefixtures("single_thread")


def images(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_reconstruction_counts_only_the_chosen_samples():
    output, target = images(4, 3, 8, 8), images(4, 3, 8, 8, seed=1)
    chosen = torch.tensor([1, 3])
    by_hand = sum((output[k] - target[k]).square().mean().item() for k in (1, 3)) / 4
    assert reconstruction_loss(output, target, chosen).item() == pytest.approx(by_hand, rel=1e-12)
    assert reconstruction_loss(output, target, torch.tensor([], dtype=torch.int64)).item() == 0


def test_range_loss_sees_only_what_clamping_would_cut_off():
    inside = torch.rand(1, 3, 4, 4)
    assert range_loss(inside).item() == 0
    inside[0, 0, 0, 0], inside[0, 1, 2, 2] = -0.5, 1.25
    assert range_loss(inside).item() == pytest.approx((0.25 + 0.0625) / 48, rel=1e-6)


def test_color_loss_compares_mean_and_standard_deviation_of_rgb():
    output, style = torch.rand(1, 3, 8, 8).double(), torch.rand(1, 3, 6, 6).double()
    means = [x.mean((2, 3)) for x in (output, style)]
    deviations = [(x.var((2, 3), correction=0) + EPSILON).sqrt() for x in (output, style)]
    expected = sum((a - b).square().mean().item() for a, b in (means, deviations))
    assert color_loss(output, style).item() == pytest.approx(expected, rel=1e-12)


def test_anchor_loss_ignores_detail_below_8_pixels():
    everything = torch.tensor([0, 1])
    anchor = torch.full((2, 3, 16, 16), 0.5).double()
    checkered = anchor.clone()
    checkered[..., ::2] += 0.3
    checkered[..., 1::2] -= 0.3
    assert anchor_loss(checkered, anchor, everything).item() == pytest.approx(0, abs=1e-12)
    assert anchor_loss(anchor + 0.1, anchor, everything).item() == pytest.approx(0.01, rel=1e-9)


def test_grid_loss_sees_what_repeats_and_little_else():
    dots = torch.zeros(1, 3, 64, 72, dtype=torch.float64)
    dots[..., 3::8, 5::8] = 0.9
    # Less its mean over 3x3 pixels a dot is 0.8, and each of its eight neighbours -0.1.
    assert grid_loss(dots).item() == pytest.approx((0.8**2 + 8 * 0.1**2) / 64, rel=1e-9)
    assert grid_loss(dots[..., :67]).item() == pytest.approx(grid_loss(dots[..., :64]).item(), rel=1e-9)
    elsewhere = torch.zeros_like(dots).view(-1)
    elsewhere[
        torch.randperm(elsewhere.numel(), generator=torch.Generator().manual_seed(0))[: int(dots.sum() / 0.9)]
    ] = 0.9
    assert grid_loss(elsewhere.view_as(dots)) < grid_loss(dots) / 10
    assert grid_loss(torch.linspace(0, 1, 64, dtype=torch.float64).expand(1, 3, 64, 64)) < 1e-5


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, y: reconstruction_loss(x, y, torch.tensor([1])),
        lambda x, y: range_loss(2 * x),
        color_loss,
        lambda x, _: grid_loss(x),
        lambda x, y: anchor_loss(x, y, torch.tensor([0])),
    ],
    ids=["reconstruction", "range", "color", "grid", "anchor"],
)
def test_gradients(loss):
    x, y = images(2, 3, 8, 8).requires_grad_(), images(2, 3, 8, 8, seed=1)
    assert torch.autograd.gradcheck(lambda x: loss(x, y), (x,))
