"""Scene cuts: jumps are cuts, lasting motion is not; thumbnails on devices without odd pooling."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from adain_core.video.scene_cuts import CutDetector
from tests.adain_core.video.scenes import scene


def test_one_large_change_is_a_cut_lasting_motion_is_not():
    generator = torch.Generator().manual_seed(0)
    moving = torch.randn(12, 16, 5, 6, generator=generator).cumsum(dim=0) * 0.25 + scene(1)
    detector = CutDetector()
    assert [detector.add(x) for x in moving.split(1)][1:] == [False] * 11
    assert detector.add(scene(1, seed=3) * 2)
    assert not detector.add(scene(1, seed=3) * 2)


class NoOddPooling(TorchDispatchMode):
    """A device like Apple's GPUs, on which adaptive pooling takes only sizes that its own divides."""

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        if function is torch.ops.aten._adaptive_avg_pool2d.default:
            x, size = arguments
            if any(length % parts for length, parts in zip(x.shape[2:], size, strict=True)):
                raise RuntimeError("Adaptive pool MPS: input sizes must be divisible by output sizes.")
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (4, 8), (5, 7), (33, 60)])
def test_thumbnails_are_adaptive_pooling_on_every_device(size):
    features = torch.relu(torch.randn(1, 64, *size))
    detector = CutDetector()
    with NoOddPooling():
        if size[0] % 4:
            with pytest.raises(RuntimeError, match="divisible"):
                F.adaptive_avg_pool2d(features, 4)
        assert detector.add(features)
        assert not detector.add(features)
    expected = F.adaptive_avg_pool2d(features.double(), 4).float()
    torch.testing.assert_close(detector.state()["thumbnail"], expected, atol=1e-6, rtol=1e-6)
