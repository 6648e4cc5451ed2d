"""Images at other sizes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2


def center_crop(pixels: Tensor, size: int) -> Tensor:
    """Scales the short side to ``size`` and keeps the middle: ``[3, H, W]`` to ``[3, size, size]``."""
    return v2.functional.center_crop(v2.functional.resize(pixels, [size], antialias=True), [size, size])


def scale_short_side(pixels: Tensor, side: int) -> Tensor:
    """Scales ``[B, 3, H, W]`` so that the shorter side has that many pixels, aspect kept; 0: unchanged."""
    height, width = pixels.shape[2:]
    if side == 0 or min(height, width) == side:
        return pixels
    scale = side / min(height, width)
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    return F.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)
