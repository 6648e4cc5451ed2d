from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.method import channel_masks
from adain_core.method.normalization import Statistics


def test_range():
    weights = channel_masks.from_range(10, 19, inside=0.5, outside=0.25)
    assert weights.tolist() == [0.25] * 10 + [0.5] * 10 + [0.25] * 492
    assert channel_masks.from_range(0, 511).tolist() == [1.0] * 512
    assert channel_masks.from_range(1, 2, count=4).tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(("first", "last"), [(5, 3), (-1, 3), (0, 512)])
def test_ranges_that_cannot_be(first, last):
    with pytest.raises(AdaINError, match=f"channels: expected first to last within 0-511, found '{first}-{last}'"):
        channel_masks.from_range(first, last)
    with pytest.raises(AdaINError, match="within 0-191, found '0-192'"):
        channel_masks.from_range(0, 192, count=192)


def test_list():
    weights = channel_masks.from_list("0-3:1, 2:0.25,511", outside=0.1)
    assert weights[[0, 1, 2, 3, 4, 511]].tolist() == pytest.approx([1, 1, 0.25, 1, 0.1, 1])
    assert channel_masks.from_list("7:0.5, 8", inside=0.5)[[6, 7, 8]].tolist() == [0, 0.25, 0.5]
    assert channel_masks.from_list("1:0.5", count=3).tolist() == [0, 0.5, 0]


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


def test_blend():
    first, second = torch.tensor([0.8, 0.0]), torch.tensor([0.4, 1.0])
    for blend in (0.0, 0.25, 1.0):
        expected = (1 - blend) * first + blend * second
        torch.testing.assert_close(channel_masks.combine(first, second, "blend", blend), expected)
    with pytest.raises(AdaINError, match=r"blend: expected a number from 0 to 1, found 1\.5"):
        channel_masks.combine(first, second, "blend", 1.5)


def test_inverted_is_the_rest():
    weights = torch.rand(7)
    assert torch.equal(channel_masks.combine(weights, channel_masks.inverted(weights), "add"), torch.ones(7))


def test_drawn():
    few, more = channel_masks.drawn(40, seed=3), channel_masks.drawn(100, seed=3, inside=0.5, outside=0.1)
    assert few.sum() == 40
    assert (more == 0.5).sum() == 100
    assert (more[few == 1] == 0.5).all()
    assert not torch.equal(few, channel_masks.drawn(40, seed=4))
    assert torch.equal(few, channel_masks.drawn(40, seed=3))
    # Anywhere among the channels, and none forgotten.
    assert torch.stack([channel_masks.drawn(40, seed) for seed in range(200)]).sum(dim=0).min() > 0
    assert channel_masks.drawn(192, 0, count=192).tolist() == [1.0] * 192
    with pytest.raises(AdaINError, match="count: expected a number of channels from 0 to 192, found 193"):
        channel_masks.drawn(193, 0, count=192)


def test_lists_with_names_of_clusters():
    clusters = {"fur": (0, 3), "warm light": (2,)}
    weights = channel_masks.from_list("fur, warm light : 0.5, 3:0.25", count=5, clusters=clusters)
    assert weights.tolist() == [1, 0, 0.5, 0.25, 0]
    assert torch.equal(channel_masks.from_channels((0, 3), 0.5, 0.1, 5), torch.tensor([0.5, 0.1, 0.1, 0.5, 0.1]))
    with pytest.raises(AdaINError, match="or one of fur, warm light, found 'sky:1'"):
        channel_masks.from_list("sky:1", count=5, clusters=clusters)


def test_combine_masks_of_two_encoders():
    with pytest.raises(AdaINError, match="combine: expected two masks of 192 channels, found one of 512"):
        channel_masks.combine(torch.ones(192), torch.ones(512), "add")


def test_combine_unknown():
    with pytest.raises(
        AdaINError, match="combine: expected one of multiply, maximum, minimum, add, blend, found 'xor'"
    ):
        channel_masks.combine(torch.ones(1), torch.ones(1), "xor")
