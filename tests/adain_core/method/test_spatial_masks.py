from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.method import spatial_masks
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


def test_feathered_masks_still_add_up_to_one():
    masks = torch.rand(3, 1, 100, 130)
    masks = masks / masks.sum(dim=0)
    soft = [spatial_masks.feathered(mask, (100, 130), 72) for mask in masks]
    torch.testing.assert_close(sum(soft), torch.ones(1, 100, 130), atol=1e-5, rtol=0)
    assert torch.equal(spatial_masks.feathered(torch.ones(2, 30, 40), (61, 77), 500), torch.ones(2, 61, 77))


def test_edges_wider_than_the_image():
    """As wide as twice the longer side, without a window larger than any memory."""
    mask = (torch.arange(64) < 20).float().expand(1, 48, 64)
    found = spatial_masks.feathered(mask, (48, 64), 1e12)
    torch.testing.assert_close(found, spatial_masks.feathered(mask, (48, 64), 128))
    assert 0 < found.min() < found.max() < 1


def test_a_feathered_edge_is_a_ramp_of_that_width():
    """Monotonic, half where the edge was, and nothing changes beyond it but for the distance of two positions."""
    mask = torch.zeros(1, 64, 512)
    mask[..., 256:] = 1
    for width in (64, 160):
        soft = spatial_masks.feathered(mask, (64, 512), width)[0]
        assert torch.equal(soft, soft[:1].expand(64, -1))
        profile = soft[0]
        assert (profile.diff() >= -1e-6).all()
        torch.testing.assert_close(profile[255] + profile[256], torch.tensor(1.0), atol=1e-5, rtol=0)
        reach = width // 2 + 8
        assert not profile[: 256 - reach].any()
        assert (profile[256 + reach :] > 1 - 1e-6).all()  # processors round the window's sum differently
        assert 0.4 * width < ((profile > 0.05) & (profile < 0.95)).sum() < width
        # No step as large as those between 8x8 blocks would be.
        assert profile.diff().max() < 2.5 / width


def test_a_softened_position_is_the_window():
    point = torch.zeros(1, 9, 9)
    point[0, 4, 4] = 1
    soft = spatial_masks.soften(point, 48)[0]  # radius of three positions
    window = torch.tensor([0.25, 0.75, 1, 0.75, 0.25]) / 3
    torch.testing.assert_close(soft[2:7, 2:7], window[:, None] * window, atol=1e-6, rtol=0)
    assert soft.sum().item() == pytest.approx(1)
    assert spatial_masks.soften(point, 16) is point


def test_over_pixels_in_parts():
    weights = torch.rand(2, 7, 9)
    whole = spatial_masks.over_pixels(weights, slice(0, 51), slice(0, 70))
    reference = torch.nn.functional.interpolate(weights[:, None], scale_factor=8, mode="bilinear")[:, 0]
    torch.testing.assert_close(whole, reference[:, :51, :70])
    part = spatial_masks.over_pixels(weights, slice(13, 29), slice(40, 70))
    torch.testing.assert_close(part, whole[:, 13:29, 40:70], atol=0, rtol=0)


@pytest.mark.parametrize("width", [-1, float("nan"), float("inf")])
def test_feather_outside(width):
    with pytest.raises(AdaINError, match="feather: expected a number of pixels of at least 0"):
        spatial_masks.feathered(torch.ones(1, 8, 8), (8, 8), width)
