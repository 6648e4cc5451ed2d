"""The fast statistics against the plain ones, values and gradients."""

from __future__ import annotations

import pytest
import torch

from adain_core.method.fast_statistics import training_statistics
from adain_core.method.normalization import channel_statistics

pytestmark = pytest.mark.usefixtures("single_thread")


def features(dtype, shape=(3, 8, 12, 10)):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).mul(2).add(1).relu()
    return x.to(dtype, memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_channel_statistics(dtype):
    weights = torch.randn(2, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def of(function, x):
        x = x.clone().requires_grad_()
        found = function(x)
        sum((w * s).sum() for w, s in zip(weights, found, strict=True)).backward()
        return (*found, x.grad)

    x = features(dtype)
    assert torch.autograd.gradcheck(training_statistics, (features(torch.float64, (2, 2, 3, 4)).requires_grad_(),))
    fast, plain = of(training_statistics, x), of(channel_statistics, x)
    for found, expected in zip(fast, plain, strict=True):
        assert found.dtype == expected.dtype
        tolerance = 1e-2 if found.dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=1e-5)


def test_other_layouts_take_the_plain_way():
    x = features(torch.float32).contiguous()
    for found, expected in zip(training_statistics(x), channel_statistics(x), strict=True):
        assert torch.equal(found, expected)
