from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from adain_core.errors import AdaINError
from adain_core.method.normalization import (
    EPSILON,
    Statistics,
    adaptive_instance_norm,
    batch_norm,
    channel_statistics,
    conditional_instance_norm,
    instance_norm,
)


@pytest.fixture
def x():
    return torch.randn(3, 5, 7, 9) * torch.tensor([0.1, 1, 10, 100, 0])[:, None, None] + 3


def test_batch_norm_equals_torch(x):
    gamma, beta = torch.randn(5), torch.randn(5)
    expected = F.batch_norm(x, None, None, gamma, beta, training=True, eps=EPSILON)
    torch.testing.assert_close(batch_norm(x, gamma, beta), expected, atol=1e-4, rtol=1e-4)


def test_instance_norm_equals_torch(x):
    gamma, beta = torch.randn(5), torch.randn(5)
    expected = F.instance_norm(x, weight=gamma, bias=beta, eps=EPSILON)
    torch.testing.assert_close(instance_norm(x, gamma, beta), expected, atol=1e-4, rtol=1e-4)


def test_conditional_instance_norm_picks_the_styles_pair(x):
    gammas, betas = torch.randn(4, 5), torch.randn(4, 5)
    result = conditional_instance_norm(x, torch.tensor([2, 0, 2]), gammas, betas)
    for sample, style in enumerate((2, 0, 2)):
        expected = F.instance_norm(x[sample : sample + 1], weight=gammas[style], bias=betas[style], eps=EPSILON)
        torch.testing.assert_close(result[sample : sample + 1], expected, atol=1e-4, rtol=1e-4)


def test_adaptive_instance_norm_gives_the_styles_statistics():
    x, y = torch.randn(2, 6, 11, 13) * 4 + 1, torch.randn(2, 6, 5, 8) * 0.3 - 2
    style = channel_statistics(y)
    result = channel_statistics(adaptive_instance_norm(x, style))
    torch.testing.assert_close(result.mean, style.mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(result.std, style.std, atol=1e-4, rtol=1e-4)


def test_constant_channel_and_one_pixel():
    for x in (torch.full((1, 2, 4, 4), 7.0), torch.full((1, 2, 1, 1), 7.0)):
        mean, std = channel_statistics(x)
        assert mean.tolist() == [[7.0, 7.0]]
        torch.testing.assert_close(std, torch.full((1, 2), EPSILON**0.5))
        style = Statistics(torch.full((1, 2), 3.0), torch.full((1, 2), 5.0))
        assert adaptive_instance_norm(x, style).unique().tolist() == [3.0]


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_extreme_scales(scale):
    x = torch.randn(1, 3, 20, 20, dtype=torch.float64)
    statistics = channel_statistics((x * scale).float())
    torch.testing.assert_close(statistics.mean.double(), x.mean((2, 3)) * scale, atol=1e-5 * scale, rtol=1e-4)
    expected = (x.var((2, 3), correction=0) * scale**2 + EPSILON).sqrt()
    torch.testing.assert_close(statistics.std.double(), expected, atol=0, rtol=1e-4)


def test_half_precision_is_computed_in_float32():
    x = (torch.rand(1, 2, 128, 128) * 100).half()  # the sum of squares, 5e7, is far past half precision's 65504
    mean, std = channel_statistics(x)
    assert mean.dtype == std.dtype == torch.float32
    torch.testing.assert_close(mean, x.double().mean((2, 3)).float())
    torch.testing.assert_close(std, x.double().std((2, 3), correction=0).float(), rtol=1e-4, atol=0)
    assert instance_norm(x).dtype == torch.float16


def test_masked_statistics_equal_those_of_the_part():
    x = torch.randn(2, 4, 6, 8)
    mask = torch.zeros(1, 6, 8)
    mask[:, 1:4, 2:7] = 0.5  # only the proportions count
    part = channel_statistics(x[..., 1:4, 2:7])
    masked = channel_statistics(x, mask)
    torch.testing.assert_close(masked.mean, part.mean)
    torch.testing.assert_close(masked.std, part.std)
    torch.testing.assert_close(
        instance_norm(x, mask=mask)[..., 1:4, 2:7], F.instance_norm(x[..., 1:4, 2:7]), atol=1e-4, rtol=1e-4
    )


def test_soft_mask_equals_repeated_places():
    x = torch.randn(1, 1, 1, 3)
    repeated = x[..., [0, 1, 1, 1, 2, 2]]
    masked = channel_statistics(x, torch.tensor([[[1.0, 3.0, 2.0]]]))
    torch.testing.assert_close(torch.stack(masked), torch.stack(channel_statistics(repeated)))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 4, 4), "found an empty mask"),
        (torch.ones(1, 4, 5), r"expected shape \[2 or 1, 4, 4\] to match the features, found \[1, 4, 5\]"),
        (torch.ones(3, 4, 4), r"expected shape \[2 or 1"),
    ],
)
def test_masks_that_cannot_work(mask, message):
    with pytest.raises(AdaINError, match=message):
        channel_statistics(torch.randn(2, 3, 4, 4), mask)
