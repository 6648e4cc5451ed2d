"""Each loss against its formula written out in loops, and its gradient against finite differences."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from adain_core.method.losses import content_loss, gram_matrix, gram_style_loss, style_loss
from adain_core.method.normalization import channel_statistics

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


def test_a_batchs_loss_is_the_mean_of_its_halves():
    outputs = [features(4, 3, 5, 4), features(4, 4, 3, 3)]
    styles = [features(4, 3, 5, 4, seed=1), features(4, 4, 3, 3, seed=1)]

    def loss(part):
        taps, targets = [x[part] for x in outputs], [channel_statistics(x[part]) for x in styles]
        grams = gram_style_loss(taps, [gram_matrix(x[part]) for x in styles])
        return style_loss(taps, targets) + grams + content_loss(taps[-1], styles[-1][part])

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
        content_loss,
        lambda x, y: style_loss([x], [channel_statistics(y)], [0.7]),
        lambda x, y: gram_style_loss([x], [gram_matrix(y)]),
    ],
    ids=["content", "style", "gram"],
)
def test_gradients(loss):
    x, y = features(2, 3, 8, 8).requires_grad_(), features(2, 3, 8, 8, seed=1)
    assert torch.autograd.gradcheck(lambda x: loss(x, y), (x,))
