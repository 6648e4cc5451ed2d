"""The flicker benchmark measures what it says."""

from __future__ import annotations

import pytest
import torch

from benchmarks.flicker import warping_error


def test_warping_error_of_known_differences():
    picture = torch.rand(1, 3, 12, 16)
    flow = torch.tensor([1.0, 0.0])[None, :, None, None].expand(1, 2, 12, 16)
    trusted = torch.ones(1, 1, 12, 16)
    trusted[..., -1] = 0  # where the border repeats
    moved = torch.roll(picture, -1, 3)
    assert warping_error([picture, moved], [(flow, trusted)]) == pytest.approx(0, abs=1e-9)
    still = torch.zeros_like(flow)
    outputs = [torch.zeros_like(picture), torch.full_like(picture, 0.1), torch.full_like(picture, 0.4)]
    expected = (0.1**2 + 0.3**2) / 2
    assert warping_error(outputs, [(still, trusted)] * 2) == pytest.approx(expected)
    half = torch.zeros_like(trusted)
    half[..., :8] = 1
    outputs[1][..., 8:] = 1
    assert warping_error(outputs[:2], [(still, half)]) == pytest.approx(0.1**2)
