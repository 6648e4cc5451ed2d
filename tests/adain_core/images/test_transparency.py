"""Colours of invisible pixels: taken from near by, in parts as in the whole."""

from __future__ import annotations

import torch

from adain_core.images.transparency import BLOCK, fill, mean_color


def test_visible_pixels_keep_their_colours_and_the_others_get_those_near_by():
    colour, opacity = torch.ones(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    colour[..., :3, :3] = torch.tensor([0.9, 0.1, 0.2])[:, None, None]
    colour[..., 7, 7] = 0.25
    opacity[..., :3, :3] = 0.5
    opacity[..., 7, 7] = 1
    found = fill(colour, opacity, mean_color(colour, opacity))
    assert torch.equal(found[..., :3, :3], colour[..., :3, :3])
    red = torch.tensor([0.9, 0.1, 0.2])
    torch.testing.assert_close(found[0, :, 3, 3], red)  # its block of 2 has the pixel at 2, 2
    torch.testing.assert_close(found[0, :, 6, 5], torch.full((3,), 0.25))  # of 4
    # In the upper right there is nothing but in the block of 8: nine pixels of opacity 0.5, one of 1.
    torch.testing.assert_close(found[0, :, 0, 7], (4.5 * red + 0.25) / 5.5)


def test_far_from_anything_visible_it_is_the_mean():
    colour = torch.rand(1, 3, 3 * BLOCK, BLOCK)
    opacity = torch.zeros(1, 1, 3 * BLOCK, BLOCK)
    opacity[..., :9, :] = torch.rand(9, BLOCK)
    mean = mean_color(colour, opacity)
    expected = (colour * opacity)[..., :9, :].sum((2, 3)) / opacity.sum()
    torch.testing.assert_close(mean[..., 0, 0], expected)
    found = fill(colour, opacity, mean)
    assert torch.equal(found[..., BLOCK:, :], mean.expand(1, 3, 2 * BLOCK, BLOCK))


def test_parts_of_whole_blocks_are_filled_as_in_the_whole():
    height, width = 2 * BLOCK + 37, BLOCK + 21
    colour, opacity = torch.rand(1, 3, height, width), (torch.rand(1, 1, height, width) - 0.97).clamp(min=0)
    mean = mean_color(colour, opacity)
    whole = fill(colour, opacity, mean)
    for part in ((..., slice(BLOCK, 2 * BLOCK), slice(0, BLOCK)), (..., slice(BLOCK, None), slice(BLOCK, None))):
        torch.testing.assert_close(fill(colour[part], opacity[part], mean), whole[part])
