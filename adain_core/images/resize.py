"""Images at other sizes, bilinear with antialiasing."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2

from ..method.normalization import at_least_float32


def scale(pixels: Tensor, factor: float) -> Tensor:
    """Scales both sides of ``[B, C, H, W]`` by a factor, rounded to whole pixels, at least one; 1: unchanged.

    Pixels may be of any floating type, which they keep.
    """
    if factor == 1:
        return pixels
    size = [max(1, round(side * factor)) for side in pixels.shape[2:]]
    # PyTorch's own does not take half precision on the CPU.
    return F.interpolate(at_least_float32(pixels), size, mode="bilinear", antialias=True).clamp(0, 1).type_as(pixels)


def scale_short_side(pixels: Tensor, side: int) -> Tensor:
    """Scales ``[B, C, H, W]`` so that the shorter side has that many pixels, aspect kept; 0: unchanged."""
    return pixels if side == 0 else scale(pixels, side / min(pixels.shape[2:]))


def center_crop(pixels: Tensor, size: int) -> Tensor:
    """Scales the shorter side to ``size`` pixels and keeps the middle: ``[3, H, W]`` to ``[3, size, size]``."""
    # Not scale_short_side: torchvision rounds the longer side down, and published figures were measured so.
    scaled: Tensor = v2.functional.resize(pixels, [size], antialias=True)
    cropped: Tensor = v2.functional.center_crop(scaled, [size, size])
    return cropped
