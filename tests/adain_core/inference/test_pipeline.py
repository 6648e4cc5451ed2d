"""Encoding and decoding in tiles, and regions."""

from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.inference.pipeline import apply_regions, apply_style, decode
from adain_core.method.features import Features
from adain_core.method.normalization import Statistics, channel_statistics
from adain_core.method.spatial_masks import to_feature_grid
from adain_core.method.style import Style
from adain_core.models.decoder import Decoder


@pytest.mark.slow
@pytest.mark.usefixtures("single_thread")
@pytest.mark.parametrize("tile_size", [0, 64])
@pytest.mark.parametrize("normalization", ["none", "instance", "batch"])
def test_tiles_change_nothing_whatever_the_normalization(normalization, tile_size):
    decoder = Decoder(normalization=normalization).eval().requires_grad_(False)
    for layer in getattr(decoder, "n", []):
        torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
        torch.nn.init.uniform_(layer.bias, -0.2, 0.2)
    features = Features(torch.randn(1, 512, 24, 20).relu(), (192, 160), decoder.trained_for)
    expected = decoder(features.tensor, features.size).clamp(0, 1)
    torch.testing.assert_close(decode(decoder, features, tile_size), expected, rtol=1e-4, atol=1e-4)


@pytest.fixture
def content():
    return Features(torch.randn(2, 6, 5, 7).relu(), (37, 50), "id")


def style(value: float, encoder: str = "id") -> Style:
    return Style(Statistics(torch.full((1, 6), value), torch.full((1, 6), 2 * value)), encoder)


def test_regions_have_no_order(content):
    """Three regions that overlap, over the image, one of them another for each image of the batch."""
    masks = [torch.rand(1, 37, 50), torch.rand(2, 37, 50), torch.rand(1, 20, 20)]
    styles = [style(k) for k in (1.0, 2.0, 3.0)]
    found = apply_regions(content, styles, masks, 0.8).tensor
    torch.testing.assert_close(apply_regions(content, styles[::-1], masks[::-1], 0.8).tensor, found)


def test_regions_apart_are_adains_one_after_the_other(content):
    """As two AdaIN in a row did in 1.0.0, where masks do not overlap."""
    left = torch.zeros(1, 37, 50)
    left[..., :24] = 1
    row = apply_style(apply_style(content, style(1.0), 0.7, mask=left), style(3.0), 0.7, mask=1 - left)
    found = apply_regions(content, [style(1.0), style(3.0)], [left, 1 - left], 0.7)
    torch.testing.assert_close(found.tensor, row.tensor)


def test_what_cannot_be_seen_counts_in_no_region(content):
    opacity = torch.ones(2, 37, 50)
    opacity[:, :16] = 0
    masks = [torch.rand(1, 37, 50), torch.rand(1, 37, 50) / 4]
    seen = content._replace(mask=to_feature_grid(opacity, content.size))
    found = apply_regions(seen, [style(1.0), style(3.0)], masks).tensor
    x = content.tensor[:, :, 2:]
    grids = [to_feature_grid(mask, content.size)[:, 2:] for mask in masks]
    total = sum(grids).clamp(min=1)
    expected = x
    for wanted, grid in zip((style(1.0), style(3.0)), grids, strict=True):
        mean, std = (s[..., None, None] for s in channel_statistics(x, grid / total))
        full = (x - mean) / std * wanted.statistics.std[..., None, None] + wanted.statistics.mean[..., None, None]
        expected = expected + (grid / total)[:, None] * (full - x)
    torch.testing.assert_close(found[:, :, 2:], expected, atol=1e-4, rtol=1e-4)


def test_what_adain_gave_has_not_the_contents_shallow_statistics_as_a_style(content):
    known = Statistics(torch.rand(2, 3), torch.ones(2, 3))
    small = content._replace(tensor=content.tensor[:, :, :3, :4], size=(24, 32), shallow=lambda region: [known])
    for encoded in (small, content._replace(shallow=small.shallow), content._replace(measured=small)):
        half = torch.zeros(1, 37, 50)
        half[..., :25] = 1
        made = [apply_style(encoded, style(1.0)), apply_regions(encoded, [style(1.0), style(2.0)], [half, 1 - half])]
        assert [features.style.shallow for features in made] == [None, None]
        assert apply_style(encoded, style(1.0), alpha=0).style.layers()[0] is known


def test_regions_that_do_not_fit(content):
    with pytest.raises(AdaINError, match="mask: expected a batch of 1 or of 2 like the content, found 3"):
        apply_regions(content, [style(1.0)], [torch.ones(3, 37, 50)])
    with pytest.raises(AdaINError, match="encoder: expected everything to come from one encoder"):
        apply_regions(content, [style(1.0), style(1.0, "another")], [torch.ones(1, 37, 50)] * 2)
