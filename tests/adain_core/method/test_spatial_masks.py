from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.method.features import feature_size
from adain_core.method.spatial_masks import to_feature_grid, visible_positions, where_visible


def test_a_weight_is_the_mean_of_its_pixels():
    mask = torch.rand(2, 20, 17)
    grid = to_feature_grid(mask, (20, 17))
    assert grid.shape == (2, 3, 3)
    torch.testing.assert_close(grid[1, 0, 1], mask[1, :8, 8:16].mean())
    torch.testing.assert_close(grid[0, 2, 2], mask[0, 16:20, 16:17].mean(), msg="the border has fewer pixels")


@pytest.mark.parametrize("size", [(1, 1), (7, 8), (9, 16), (17, 64)])
def test_the_grid_is_that_of_the_features(size):
    assert to_feature_grid(torch.ones(size), size).tolist() == torch.ones(1, *feature_size(*size)).tolist()


def test_masks_are_stretched_and_clamped():
    mask = torch.zeros(10, 10)
    mask[:, 5:] = 2
    grid = to_feature_grid(mask, (80, 160))
    assert grid.shape == (1, 10, 20)
    assert grid[0, :, 0].unique().tolist() == [0]
    assert grid[0, :, -1].unique().tolist() == [1]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.rand(1, 1, 4, 4), r"expected shape \[batch, height, width\], found \[1, 1, 4, 4\]"),
        (torch.rand(0, 4, 4), r"expected shape \[batch, height, width\], found \[0, 4, 4\]"),
        (torch.full((1, 2, 2), float("inf")), "expected finite weights from 0 to 1"),
    ],
)
def test_masks_that_cannot_work(mask, message):
    with pytest.raises(AdaINError, match=f"mask: {message}"):
        to_feature_grid(mask, (8, 8))


def test_positions_where_anything_can_be_seen():
    opacity = torch.zeros(2, 20, 17)
    opacity[0, 9, 16] = 0.01
    opacity[1] = 1
    seen = visible_positions(opacity)
    assert torch.equal(seen[0].nonzero(), torch.tensor([[y, 16] for y in range(8, 16)]))
    assert (seen[1] == 1).all()
    assert torch.equal(to_feature_grid(seen, (20, 17)), (to_feature_grid(opacity, (20, 17)) > 0).float())


def test_weights_inside_a_mask_are_of_what_can_be_seen():
    mask, opacity = torch.zeros(2, 4, 4), torch.rand(1, 4, 4)
    mask[0, :2] = 0.5
    mask[1, 2:] = 1
    opacity[0, 2:] = 0
    found = where_visible(mask, opacity)
    assert torch.equal(found[0], mask[0] * opacity[0])
    assert torch.equal(found[1], mask[1])  # nothing of it can be seen
