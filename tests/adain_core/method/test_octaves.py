"""Descent at six scales at once."""

from __future__ import annotations

import pytest
import torch

from adain_core.method.octaves import OCTAVES, OctaveDescent, octaves, sum_of_octaves


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (64, 50)])
def test_each_octave_is_the_mean_over_twice_as_many_pixels_each_way(size):
    image = torch.rand(1, 3, *size)
    parts = octaves(image)
    assert len(parts) == OCTAVES
    for i, part in enumerate(parts):
        n = 2**i
        assert part.shape[2:] == (-(-size[0] // n), -(-size[1] // n))
        if n <= min(size):
            torch.testing.assert_close(part[0, :, 0, 0], image[0, :, :n, :n].mean(dim=(1, 2)))
    assert sum_of_octaves(parts).shape == image.shape


def test_the_first_step_goes_one_step_size_down_at_every_scale():
    image = torch.rand(1, 3, 40, 56)
    for strength in (1e-9, 3.0):  # however steep it is
        changed = image.clone()
        OctaveDescent(0.01).step(changed, torch.full_like(image, strength))
        torch.testing.assert_close(image - changed, torch.full_like(image, 0.01 * OCTAVES))


def test_no_gradient_no_step():
    image = torch.rand(1, 3, 9, 9)
    changed = image.clone()
    OctaveDescent(0.01).step(changed, torch.zeros_like(image))
    torch.testing.assert_close(changed, image, rtol=0, atol=0)


def test_a_wrong_colour_and_a_wrong_texture_go_in_a_few_steps():
    wanted = torch.rand(1, 3, 64, 64)
    image = (wanted + 0.2 + 0.1 * torch.randn_like(wanted)).clone()
    descent = OctaveDescent(0.01)
    before = (image - wanted).square().mean()
    for _ in range(20):
        descent.step(image, image - wanted)
    error = image - wanted
    assert error.square().mean() < 0.2 * before
    assert error.mean().abs() < 0.06
