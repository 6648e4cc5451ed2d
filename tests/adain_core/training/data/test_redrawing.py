from __future__ import annotations

import pytest
import torch

from adain_core.training.data.redrawing import hatching, ink, mosaic, redrawn
from adain_core.training.data.samples import generator


def test_every_kind_is_a_picture_and_the_same_again():
    pixels = torch.rand(3, 40, 33)
    found = [redrawn(pixels, generator(0, k)) for k in range(40)]
    for k, picture in enumerate(found):
        assert picture.shape == pixels.shape
        assert 0 <= picture.min() <= picture.max() <= 1
        assert torch.equal(picture, redrawn(pixels, generator(0, k)))
    assert len({tuple(picture[:, 0, 0].tolist()) for picture in found}) > 30


def test_ink_is_where_the_picture_is_dark_and_at_its_lines():
    luma = torch.full((32, 32), 0.9)
    luma[:, 15:17] = 0.4
    luma[:6] = 0
    found = ink(luma, generator(1))
    assert found[:5].min() > 0.9
    assert found[12:, 15:17].min() > 0.9
    assert found[12:, :8].max() < 0.2


@pytest.mark.parametrize("k", range(3))
def test_hatching_has_the_picture_s_tone(k):
    """The darker the picture the more ink, and lines rather than areas in between."""
    shares = [hatching(torch.full((64, 64), level), generator(k)) for level in (0.95, 0.6, 0.3, 0.0)]
    means = [float(share.mean()) for share in shares]
    assert means == sorted(means)
    assert means[0] < 0.15
    assert means[-1] > 0.8
    assert shares[2].std() > 0.25


def test_a_mosaic_has_one_colour_in_each_square():
    pixels = torch.rand(3, 48, 48)
    found = mosaic(pixels, generator(2))
    levels = {tuple(color) for color in found.flatten(1).T.tolist()}
    assert len(levels) <= 12 * 12 + 1
    grout = found[:, 0, 0]
    assert torch.equal(found[:, 0], grout[:, None].expand(3, 48))
    cell = next(n for n in (4, 6, 8, 12) if bool((found[:, n] == grout[:, None]).all()))
    square = (slice(None), slice(cell, 2 * cell), slice(0, cell))
    torch.testing.assert_close(found[:, cell + 1, 1], pixels[square].mean((1, 2)))
