from __future__ import annotations

import pytest
import torch

from adain_core.inference.channel_preview import preview_channels
from adain_core.inference.pipeline import apply_style
from adain_core.method.features import Features
from adain_core.method.normalization import Statistics
from adain_core.method.style import Style


def decode(features):
    """The first three channels as the image's colours."""
    return features.tensor[:, :3].clamp(0, 1)


@pytest.fixture
def content():
    return Features(torch.rand(2, 5, 6, 7) * 0.5 + 0.25, (48, 56), "id")


@pytest.fixture
def style():
    return Style(Statistics(torch.full((1, 5), 0.4), torch.full((1, 5), 0.1)), "id")


def test_only_the_channels_of_the_mask_change(content, style):
    channels = torch.tensor([0.0, 1.0, 0.5, 0.0, 1.0])
    on, off, difference, gain = preview_channels(decode, content, style, channels)
    assert torch.equal(off, decode(content))
    assert torch.equal(on, decode(apply_style(content, style, channels=channels)))
    assert torch.equal(difference[:, 0], torch.full_like(difference[:, 0], 0.5))
    torch.testing.assert_close(difference, (0.5 + gain * (on - off)).clamp(0, 1))


def test_the_strongest_differences_fill_the_range(content, style):
    for strength in (1.0, 0.1):
        shown = preview_channels(decode, content, style, torch.full((5,), strength)).difference
        cut = ((shown == 0) | (shown == 1)).float().mean()
        assert 0 < cut <= 0.02
        assert (shown - 0.5).abs().mean() > 0.1
    weak, full = (preview_channels(decode, content, style, torch.full((5,), s)).gain for s in (0.1, 1.0))
    assert weak == pytest.approx(10 * full, rel=1e-3)


def test_nothing_changed_is_grey(content, style):
    on, off, difference, gain = preview_channels(decode, content, style, torch.zeros(5))
    assert torch.equal(on, off)
    assert torch.equal(difference, torch.full_like(off, 0.5))
    assert gain < float("inf")
