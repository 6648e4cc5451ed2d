from __future__ import annotations

import pytest
import torch

from adain_core.method.features import Features, feature_size
from adain_core.method.normalization import channel_statistics


@pytest.mark.parametrize(("image", "grid"), [((1, 1), (1, 1)), ((8, 9), (1, 2)), ((512, 333), (64, 42))])
def test_size(image, grid):
    assert feature_size(*image) == grid


@pytest.mark.parametrize("masked", [False, True])
def test_a_style_is_the_statistics_inside_the_mask(masked):
    tensor, mask = torch.rand(2, 6, 4, 5), torch.zeros(1, 4, 5)
    mask[:, 1:3, 2:] = 0.5
    style = Features(tensor, (30, 40), "e", mask if masked else None).style
    expected = channel_statistics(tensor[:, :, 1:3, 2:] if masked else tensor)
    torch.testing.assert_close(torch.stack(style.statistics), torch.stack(expected), atol=1e-6, rtol=1e-5)
    assert style.encoder_id == "e"
