"""Optical flow of known motions, and images warped by a known flow."""

from __future__ import annotations

import sys

import pytest
import torch

from adain_core import AdaINError
from adain_core.video.optical_flow import consistent, flow_available, import_cv2, optical_flow, warp
from tests.adain_core.video.scenes import photo


def test_warping_by_a_known_translation():
    image = torch.rand(1, 3, 20, 30)
    flow = torch.tensor([3.0, -2.0])[None, :, None, None].expand(1, 2, 20, 30)
    for mode in ("bilinear", "bicubic"):
        moved = warp(image, flow, mode)
        torch.testing.assert_close(moved[..., 2:, :-3], image[..., :-2, 3:], atol=1e-4, rtol=0)


def test_flow_finds_a_translation(examples):
    start, end = photo(examples), photo(examples, left=3, top=2)  # things move left and up
    flow = optical_flow(start, end)[..., 12:-12, 12:-12]
    assert (flow.flatten(2).median(dim=2).values[0] - torch.tensor([-3.0, -2.0])).abs().max() < 0.2


def test_flow_is_trusted_where_both_directions_agree(examples):
    pytest.importorskip("cv2")
    start, end = photo(examples), photo(examples, left=3)
    there, back = optical_flow(start, end), optical_flow(end, start)
    assert consistent(there, back)[..., 12:-12, 12:-12].mean() > 0.95
    assert consistent(there, back)[..., :2].mean() < 0.1, "these columns left the picture"
    assert consistent(there, there)[..., 12:-12, 12:-12].mean() < 0.05


def test_without_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert not flow_available()
    with pytest.raises(AdaINError, match="OpenCV is not installed; 'pip install opencv-python-headless' installs it"):
        import_cv2()
