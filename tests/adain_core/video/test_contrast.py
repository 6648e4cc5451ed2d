"""Contrast given back after averaging."""

from __future__ import annotations

import torch

from adain_core.images.files import load_picture
from adain_core.video.contrast import restore_contrast


def test_equal_contrast_changes_nothing_to_the_bit():
    image = torch.rand(2, 3, 40, 30)
    assert torch.equal(restore_contrast(image, image), image)
    assert torch.equal(restore_contrast(image, torch.full_like(image, 0.5)), image), "nothing is taken away"


def test_a_paled_picture_comes_back(examples):
    picture = load_picture(examples / "content_chelsea.jpg").pixels[..., 50:150, 100:260] * 0.6 + 0.2
    coarse = picture.mean(dim=(2, 3), keepdim=True)
    paled = coarse + 0.7 * (picture - coarse)
    restored = restore_contrast(paled, picture)
    fine = [x[..., 1:] - x[..., :-1] for x in (picture, paled, restored)]
    deviation = [x.std() for x in fine]
    assert deviation[1] / deviation[0] < 0.71
    assert 0.97 < deviation[2] / deviation[0] < 1.03


def test_flat_places_stay_flat():
    noise = torch.rand(1, 3, 32, 32)
    flat = torch.full((1, 3, 32, 32), 0.5)
    assert torch.equal(restore_contrast(flat, noise), flat)


def test_values_stay_in_range():
    result = restore_contrast(torch.rand(1, 3, 5, 3) * 0.5 + 0.5, (torch.rand(1, 3, 5, 3) > 0.5).float())
    assert result.min() >= 0
    assert result.max() <= 1
