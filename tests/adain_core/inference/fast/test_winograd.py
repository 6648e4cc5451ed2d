"""Winograd's convolution against the direct one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from adain_core.inference.fast import winograd


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 2), st.integers(3, 23), st.integers(3, 40), st.sampled_from([(3, 8), (40, 7)]))
def test_winograd_equals_direct(batch, height, width, channels):
    """Against float64, tiles cut at the border, in memory formats of both kinds."""
    torch.manual_seed(0)
    inputs, outputs = channels
    x, weight, bias = (
        torch.rand(batch, inputs, height, width),
        torch.rand(outputs, inputs, 3, 3) - 0.5,
        torch.randn(outputs),
    )
    expected = F.conv2d(x.double(), weight.double(), bias.double())
    for image in (x, x.contiguous(memory_format=torch.channels_last)):
        found = winograd.convolve(image, winograd.transform_kernel(weight), bias)
        torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=0)


def test_winograd_in_parts(monkeypatch):
    x, weight, bias = torch.rand(1, 16, 40, 21), torch.randn(8, 16, 3, 3), torch.randn(8)
    kernel = winograd.transform_kernel(weight)
    whole = winograd.convolve(x, kernel, bias)
    monkeypatch.setattr(winograd, "_WORK_BYTES", 1)
    torch.testing.assert_close(winograd.convolve(x, kernel, bias), whole, atol=1e-5, rtol=0)
