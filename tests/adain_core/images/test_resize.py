from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from adain_core.images.resize import center_crop, scale, scale_short_side


@pytest.mark.parametrize(("side", "size"), [(16, (16, 21)), (50, (50, 67)), (1, (1, 1)), (0, (30, 40)), (30, (30, 40))])
def test_the_short_side_gets_that_many_pixels(side, size):
    pixels = torch.rand(2, 3, 30, 40)
    for x, expected in ((pixels, size), (pixels.transpose(2, 3), size[::-1])):
        scaled = scale_short_side(x, side)
        assert scaled.shape == (2, 3, *expected)
        assert (scaled is x) == (side in (0, 30)), "unchanged to the bit"


def test_no_side_becomes_empty():
    assert scale(torch.rand(1, 3, 2, 400), 0.1).shape == (1, 3, 1, 40)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pixels_in_half_precision(dtype):
    pixels = torch.rand(1, 3, 30, 40).to(dtype)
    scaled = scale_short_side(pixels, 16)
    assert scaled.dtype == dtype
    torch.testing.assert_close(scaled, scale_short_side(pixels.float(), 16).to(dtype))


def test_scaling_equals_pillows_antialiased_bilinear(examples):
    with Image.open(examples / "content_chelsea.jpg") as image:
        small = image.resize((image.width // 3, image.height // 3), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    expected = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255
    found = scale_short_side(pixels, small.height)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, atol=1.5 / 255, rtol=0)


def test_center_crop_keeps_the_middle():
    columns = torch.linspace(0, 1, 128).expand(3, 64, 128)
    crop = center_crop(columns, 32)
    assert crop.shape == (3, 32, 32)
    torch.testing.assert_close(crop[0, 5], torch.linspace(0.25, 0.75, 33)[:-1] + 0.5 / 64, atol=5e-3, rtol=0)
