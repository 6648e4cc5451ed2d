"""What a content is normalized by, with its features at another size beside it."""

from __future__ import annotations

import pytest
import torch

from adain_core.method.adain import adain
from adain_core.method.content_statistics import apply_on_grid, content_statistics
from adain_core.method.features import Features
from adain_core.method.normalization import Statistics, channel_statistics


@pytest.fixture
def two_sizes():
    """Features of 16x8 positions; at 8x4 channel 0 varies three times as much, channel 1 half as much."""
    large, small = torch.rand(2, 2, 16, 8), torch.rand(2, 2, 8, 4)
    factors = torch.tensor([3.0, 0.5])[None, :, None, None]
    return Features(large, (128, 64), "e", measured=Features(small * factors + 1, (64, 32), "e"))


@pytest.fixture
def style():
    return Statistics(torch.rand(1, 2), torch.rand(1, 2) + 0.5)


def test_livelier_channels_take_both_numbers_of_the_other_size(two_sizes):
    found = content_statistics(two_sizes)
    there, own = (channel_statistics(x) for x in (two_sizes.measured.tensor, two_sizes.tensor))
    for value, other, mine in zip(found, there, own, strict=True):
        torch.testing.assert_close(value, torch.stack([other[:, 0], mine[:, 1]], dim=1))


def test_inside_a_mask_at_both_sizes(two_sizes):
    mask = torch.zeros(1, 16, 8)
    mask[:, :8] = 1  # the upper half of both
    found = content_statistics(two_sizes, mask)
    there, own = channel_statistics(two_sizes.measured.tensor[:, :, :4]), channel_statistics(two_sizes.tensor[:, :, :8])
    torch.testing.assert_close(found.mean[:, 1], own.mean[:, 1])
    torch.testing.assert_close(found.mean[:, 0], there.mean[:, 0], atol=0.05, rtol=0)  # its edge is soft
    empty = content_statistics(two_sizes, torch.zeros(1, 16, 8))
    torch.testing.assert_close(empty, content_statistics(two_sizes))


def test_alone_it_is_adain(two_sizes, style):
    alone = two_sizes._replace(measured=None)
    mask = torch.rand(1, 16, 8)
    assert torch.equal(apply_on_grid(alone, style, 0.7, mask=mask).tensor, adain(alone.tensor, style, 0.7, mask=mask))
    expected = adain(alone.tensor, style, content_statistics=alone.statistics)
    assert torch.equal(apply_on_grid(alone, style).tensor, expected)


def test_a_second_application_finds_both_sizes_in_the_first_style(two_sizes, style):
    once = apply_on_grid(two_sizes, style)
    scale, shift = style.std / content_statistics(two_sizes).std, style.mean
    wanted = (two_sizes.measured.tensor - content_statistics(two_sizes).mean[..., None, None]) * scale[..., None, None]
    torch.testing.assert_close(once.measured.tensor, wanted + shift[..., None, None], atol=1e-4, rtol=1e-4)
    # So the same style once more changes nothing.
    torch.testing.assert_close(apply_on_grid(once, style).tensor, once.tensor, atol=1e-4, rtol=1e-4)
    assert apply_on_grid(two_sizes, style, 0.0).tensor is two_sizes.tensor


def test_unmasked_at_both_sizes(two_sizes):
    masked = two_sizes._replace(
        mask=torch.rand(1, 16, 8), measured=two_sizes.measured._replace(mask=torch.rand(1, 8, 4))
    )
    torch.testing.assert_close(content_statistics(masked.unmasked()), content_statistics(two_sizes))
