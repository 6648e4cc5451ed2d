"""Optical flow of known motions, beside OpenCV's, and images warped by a known flow."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from adain_core.images.resize import scale_short_side
from adain_core.video.optical_flow import consistent, flow_both_ways, optical_flow, warp
from tests.adain_core.video.scenes import photo


def inner(x):
    return x[..., 12:-12, 12:-12]


def test_warping_by_a_known_translation():
    image = torch.rand(1, 3, 20, 30)
    flow = torch.tensor([3.0, -2.0])[None, :, None, None].expand(1, 2, 20, 30)
    for mode in ("bilinear", "bicubic"):
        moved = warp(image, flow, mode)
        torch.testing.assert_close(moved[..., 2:, :-3], image[..., :-2, 3:], atol=1e-4, rtol=0)


@pytest.mark.parametrize("shift", [(3, 2), (-1, 0), (5, -4)])
def test_flow_finds_a_translation(examples, shift):
    left, top = shift
    start, end = photo(examples, left=10, top=10), photo(examples, left=10 + left, top=10 + top)
    there, back = flow_both_ways(start, end)
    moved = -torch.tensor([left, top], dtype=torch.float)  # a camera that looks right: things move left
    for flow, expected in ((there, moved), (back, -moved)):
        assert (inner(flow).flatten(2).median(dim=2).values[0] - expected).abs().max() < 0.1
    assert torch.equal(optical_flow(start, end), there)


def test_flow_finds_parts_of_a_pixel_and_zooms(examples):
    """A smooth zoom around the middle: the flow is linear in the place."""
    image = photo(examples)
    rows, columns = torch.meshgrid(torch.arange(96.0) - 47.5, torch.arange(128.0) - 63.5, indexing="ij")
    zoom = torch.stack([columns, rows])[None] * 0.03
    flow = optical_flow(warp(image, zoom, "bicubic"), image)
    error = inner(flow - zoom).norm(dim=1)
    assert error.mean() < 0.1
    assert error.quantile(0.95) < 0.3


def test_still_pictures_and_plain_ones_do_not_move(examples):
    image = photo(examples)
    flow = optical_flow(image, image)
    assert flow.abs().max() < 1e-3
    assert consistent(flow, flow).all()
    assert optical_flow(torch.full((1, 3, 40, 50), 0.3), torch.full((1, 3, 40, 50), 0.7)).abs().max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vtest.avi", "Megamind.avi", "tree.avi"])
def test_beside_opencv(name):
    """Its version of the same method: as many pixels can be trusted, and are explained as well."""
    pytest.importorskip("av", reason="reads videos")
    from tests.adain_core.clips import VideoReader, real_clip

    cv2 = pytest.importorskip("cv2")
    frames = [
        scale_short_side(torch.from_numpy(frame.levels).movedim(2, 0)[None].float() / 255, 240)
        for frame in itertools.islice(VideoReader(real_clip(name)).frames(), 2)
    ]
    greys = [cv2.cvtColor(f[0].movedim(0, 2).mul(255).byte().numpy(), cv2.COLOR_RGB2GRAY) for f in frames]
    settings = (0.5, 5, 15, 3, 5, 1.1, 0)
    theirs = [
        torch.from_numpy(cv2.calcOpticalFlowFarneback(*pair, None, *settings)).movedim(2, 0)[None]
        for pair in (greys, greys[::-1])
    ]
    ours = flow_both_ways(*frames)
    trust = consistent(*ours) * consistent(*theirs)
    assert consistent(*ours).mean() > 0.95 * consistent(*theirs).mean()

    def mean(x):
        return float((x * trust).sum() / trust.sum())

    assert mean((ours[0] - theirs[0]).norm(dim=1, keepdim=True)) < 0.15
    residuals = [
        mean((warp(frames[1], flow) - frames[0]).abs().mean(dim=1, keepdim=True)) for flow in (ours[0], theirs[0])
    ]
    assert residuals[0] < 1.01 * residuals[1]


def test_flow_is_trusted_where_both_directions_agree(examples):
    start, end = photo(examples), photo(examples, left=3)
    there, back = flow_both_ways(start, end)
    assert inner(consistent(there, back)).mean() > 0.95
    assert consistent(there, back)[..., :2].mean() < 0.1, "these columns left the picture"
    assert inner(consistent(there, there)).mean() < 0.05


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (64, 64), (65, 129)])
def test_any_size(size):
    start, end = (F.interpolate(torch.rand(1, 3, 8, 8), size, mode="bilinear") for _ in range(2))
    flow = optical_flow(start, end)
    assert flow.shape == (1, 2, *size)
    assert flow.isfinite().all()
