"""Chains in bands against the same layers on whole maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from adain_core.inference.fast.conv_chain import Convolution, MaxPool, UpsampledConvolution, run_chain


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 12), st.integers(1, 6000), st.data())
def test_bands_equal_the_whole_map(batch, height, width, band_bytes, data):
    """Random chains, bands from one row to the whole map at once."""
    torch.manual_seed(0)
    chain, plain = [], []
    for kind in data.draw(st.lists(st.sampled_from(["convolution", "pool", "up"]), min_size=1, max_size=5)):
        weight, bias = torch.randn(4, 4, 3, 3) / 6, torch.randn(4)
        if kind == "pool":
            chain.append(MaxPool())
            plain.append(lambda x: F.max_pool2d(x, 2, ceil_mode=True))
            continue
        chain.append((Convolution if kind == "convolution" else UpsampledConvolution)(weight, bias))
        plain.append(lambda x, w=weight, b=bias, up=kind == "up": _convolved(_upsampled(x) if up else x, w, b))
    x = torch.rand(batch, 4, height, width).contiguous(memory_format=torch.channels_last)
    expected = x
    for layer in plain:
        expected = layer(expected)
    torch.testing.assert_close(run_chain(chain, x, band_bytes), expected, atol=1e-4, rtol=0)


def _upsampled(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _convolved(x, weight, bias):
    """By way of numpy's padding, whose 'reflect' repeats a side of one."""
    padded = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), (1, 1), (1, 1)], mode="reflect"))
    return F.relu(F.conv2d(padded, weight, bias))
