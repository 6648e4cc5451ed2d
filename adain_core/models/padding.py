"""Padding by one pixel for the 3x3 convolutions of encoder and decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PADDINGS = ("reflect", "zeros")


def pad_one(x: Tensor, padding: str = "reflect", top: bool = True, bottom: bool = True) -> Tensor:
    """One pixel more on every side of ``[B, C, H, W]``, or on some only.

    ``reflect`` mirrors without repeating the border, as the paper's models do. A side of one pixel has nothing to
    mirror: there the pixel is repeated, which keeps every image size from 1x1 up usable.

    Args:
        x: ``[B, C, H, W]``.
        padding: one of `PADDINGS`, or ``replicate``.
        top, bottom: whether these sides get a row.
    """
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        # Autocast would widen the copy to float32, and narrow it again for the convolution.
        with torch.autocast("cpu", enabled=False):
            return pad_one(x, padding, top, bottom)
    rows = (int(top), int(bottom))
    if padding == "zeros":
        return F.pad(x, (1, 1, *rows))
    height, width = x.shape[-2:]
    if padding == "replicate" or (height > 1 and width > 1):
        return F.pad(x, (1, 1, *rows), mode=padding)
    x = F.pad(x, (1, 1, 0, 0), mode="reflect" if width > 1 else "replicate")
    return F.pad(x, (0, 0, *rows), mode="reflect" if height > 1 else "replicate")
