from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.method import channel_masks
from adain_core.method.normalization import Statistics
from adain_core.method.spatial_masks import to_feature_grid


def test_a_place_is_the_mean_of_its_pixels():
    mask = torch.rand(2, 20, 17)
    places = to_feature_grid(mask, (20, 17))
    assert places.shape == (2, 3, 3)
    torch.testing.assert_close(places[1, 0, 1], mask[1, :8, 8:16].mean())
    torch.testing.assert_close(places[0, 2, 2], mask[0, 16:20, 16:17].mean(), msg="the border has fewer pixels")


def test_masks_are_stretched_and_clamped():
    mask = torch.zeros(10, 10)
    mask[:, 5:] = 2
    places = to_feature_grid(mask, (80, 160))
    assert places.shape == (1, 10, 20)
    assert places[0, :, 0].unique().tolist() == [0]
    assert places[0, :, -1].unique().tolist() == [1]


@pytest.mark.parametrize("mask", [torch.rand(1, 1, 4, 4), torch.rand(0, 4, 4), torch.full((1, 2, 2), float("inf"))])
def test_masks_that_cannot_work(mask):
    with pytest.raises(AdaINError, match="mask: expected"):
        to_feature_grid(mask, (8, 8))


def test_list():
    weights = channel_masks.from_list("0-3:1, 2:0.25,511", outside=0.1)
    assert weights[[0, 1, 2, 3, 4, 511]].tolist() == pytest.approx([1, 1, 0.25, 1, 0.1, 1])


@pytest.mark.parametrize("text", ["", "a", "0-600", "5-3:1", "1:x", "1;2", "-3"])
def test_lists_that_cannot_be_read(text):
    with pytest.raises(AdaINError, match="channels: expected"):
        channel_masks.from_list(text)


def test_difference_ranks_channels():
    content = Statistics(torch.zeros(1, 4), torch.ones(1, 4))
    style = Statistics(torch.tensor([[0.0, 2.0, 0.0, 0.5]]), torch.tensor([[1.0, 1.0, 4.0, 1.0]]))
    torch.testing.assert_close(channel_masks.style_difference(content, style), torch.tensor([0.0, 4.0, 9.0, 0.25]))
    assert channel_masks.by_difference(content, style, 2).tolist() == [0, 1, 1, 0]
    assert channel_masks.by_difference(content, style, 1, most=False).tolist() == [1, 0, 0, 0]
    with pytest.raises(AdaINError, match="from 0 to 4, found 5"):
        channel_masks.by_difference(content, style, 5)
    three = Statistics(*(s.expand(3, -1) for s in style))
    with pytest.raises(AdaINError, match="style: expected a batch of 1 or of 2 like the content, found 3"):
        channel_masks.by_difference(Statistics(*(s.expand(2, -1) for s in content)), three, 1)


@pytest.mark.parametrize(("how", "expected"), [("multiply", 0.4), ("maximum", 0.8), ("minimum", 0.5), ("add", 1.0)])
def test_combine(how, expected):
    assert channel_masks.combine(torch.tensor([0.8]), torch.tensor([0.5]), how).item() == pytest.approx(expected)


def test_combine_unknown():
    with pytest.raises(AdaINError, match="combine: expected one of"):
        channel_masks.combine(torch.ones(1), torch.ones(1), "xor")
