"""Against upsampling, padding and convolving as PyTorch does it, forward and backward."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from adain_core.models.padding import pad_one
from adain_core.models.upsampled_convolution import upsampled_convolution


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (4, 1), (3, 6)])
def test_it_equals_the_three_operations(height, width):
    torch.manual_seed(0)
    given = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in [(2, 3, height, width), (5, 3, 3, 3), (5,)]
    ]
    x, weight, bias = given
    plain = F.conv2d(pad_one(F.interpolate(x, scale_factor=2, mode="nearest")), weight, bias)
    found = upsampled_convolution(x, weight, bias)
    torch.testing.assert_close(found, plain)
    towards = torch.randn_like(plain)
    for a, b in zip(*(torch.autograd.grad(out, given, towards) for out in (found, plain)), strict=True):
        torch.testing.assert_close(a, b)
