"""Each loss against its formula written out in loops, and its gradient against finite differences."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from adain_core.method.losses import content_loss, gram_matrix, gram_style_loss, style_loss
from adain_core.method.normalization import channel_statistics
from adain_core.training.regularizers import anchor_loss, color_loss, range_loss, reconstruction_loss

pytestmark = pytest.mark.usefixtures("single_thread")


def features(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


LAYERS = [(2, 3, 5, 4), (2, 4, 3, 3)]


def statistics_by_hand(channel):
    values = channel.flatten().tolist()
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / len(values) + 1e-5)


def test_content_loss_is_the_mean_squared_difference():
    a, b = features(2, 3, 4, 5), features(2, 3, 4, 5, seed=1)
    by_hand = sum((x - y) ** 2 for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)) / a.numel()
    assert content_loss(a, b).item() == pytest.approx(by_hand, rel=1e-12)


def test_style_loss_is_equation_13():
    outputs = [features(*shape) for shape in LAYERS]
    styles = [features(*shape[:2], 6, 7, seed=1) for shape in LAYERS]
    weights = [1.0, 0.25]
    by_hand = 0.0
    for weight, output, style in zip(weights, outputs, styles, strict=True):
        batch, channels = output.shape[:2]
        for b, c in itertools.product(range(batch), range(channels)):
            (mean, std), (target_mean, target_std) = (statistics_by_hand(x[b, c]) for x in (output, style))
            by_hand += weight * ((mean - target_mean) ** 2 + (std - target_std) ** 2) / (batch * channels)
    found = style_loss(outputs, [channel_statistics(style) for style in styles], weights)
    assert found.item() == pytest.approx(by_hand, rel=1e-12)


def test_gram_style_loss_is_the_mean_over_pairs_of_channels():
    outputs = [features(*shape) for shape in LAYERS]
    styles = [features(*shape[:2], 6, 7, seed=1) for shape in LAYERS]

    def gram(x, b, i, j):
        return sum(p * q for p, q in zip(x[b, i].flatten().tolist(), x[b, j].flatten().tolist(), strict=True)) / (
            x.shape[2] * x.shape[3]
        )

    by_hand = 0.0
    for output, style in zip(outputs, styles, strict=True):
        batch, channels = output.shape[:2]
        for b, i, j in itertools.product(range(batch), range(channels), range(channels)):
            by_hand += (gram(output, b, i, j) - gram(style, b, i, j)) ** 2 / (batch * channels**2)
    assert gram_style_loss(outputs, [gram_matrix(s) for s in styles]).item() == pytest.approx(by_hand, rel=1e-12)


def test_reconstruction_counts_only_the_chosen_samples():
    output, target = features(4, 3, 8, 8), features(4, 3, 8, 8, seed=1)
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
    by_hand = 0.0
    for c in range(3):
        (mean, std), (target_mean, target_std) = (statistics_by_hand(x[0, c]) for x in (output, style))
        by_hand += ((mean - target_mean) ** 2 + (std - target_std) ** 2) / 3
    assert color_loss(output, style).item() == pytest.approx(by_hand, rel=1e-12)


def test_anchor_loss_ignores_detail_below_8_pixels():
    everything = torch.tensor([0, 1])
    anchor = torch.full((2, 3, 16, 16), 0.5).double()
    checkered = anchor.clone()
    checkered[..., ::2] += 0.3
    checkered[..., 1::2] -= 0.3
    assert anchor_loss(checkered, anchor, everything).item() == pytest.approx(0, abs=1e-12)
    assert anchor_loss(anchor + 0.1, anchor, everything).item() == pytest.approx(0.01, rel=1e-9)


def test_a_batchs_loss_is_the_mean_of_its_halves():
    outputs = [features(4, 3, 5, 4), features(4, 4, 3, 3)]
    styles = [features(4, 3, 5, 4, seed=1), features(4, 4, 3, 3, seed=1)]

    def loss(part):
        taps, targets = [x[part] for x in outputs], [channel_statistics(x[part]) for x in styles]
        chosen = torch.arange(4)[part].remainder(2).nonzero()[:, 0]
        extra = reconstruction_loss(taps[0], styles[0][part], chosen)
        return style_loss(taps, targets) + content_loss(taps[-1], styles[-1][part]) + extra

    whole, first, second = (loss(part) for part in (slice(0, 4), slice(0, 2), slice(2, 4)))
    assert whole.item() == pytest.approx(((first + second) / 2).item(), rel=1e-12)


def test_losses_of_half_precision_are_computed_in_float32():
    # Values whose squares differ from one another by less than half precision can tell.
    a = torch.full((1, 1, 8, 8), 100.0, dtype=torch.bfloat16)
    b = a + 1
    assert content_loss(b, a).item() == 1.0
    assert content_loss(b, a).dtype == style_loss([b], [channel_statistics(a)]).dtype == torch.float32


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, y: content_loss(x, y),
        lambda x, y: style_loss([x], [channel_statistics(y)], [0.7]),
        lambda x, y: gram_style_loss([x], [gram_matrix(y)]),
        lambda x, y: reconstruction_loss(x, y, torch.tensor([1])),
        lambda x, y: range_loss(2 * x),
        lambda x, y: color_loss(x, y),
        lambda x, y: anchor_loss(x, y, torch.tensor([0])),
    ],
    ids=["content", "style", "gram", "reconstruction", "range", "color", "anchor"],
)
def test_gradients(loss):
    x, y = features(2, 3, 8, 8).requires_grad_(), features(2, 3, 8, 8, seed=1)
    assert torch.autograd.gradcheck(lambda x: loss(x, y), (x,))
