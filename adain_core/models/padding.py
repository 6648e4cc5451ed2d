"""Padding by one pixel for the 3x3 convolutions of encoder and decoder."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def pad_one(
    x: Tensor, mode: Literal["reflect", "replicate"] = "reflect", top: bool = True, bottom: bool = True
) -> Tensor:
    """Pads images or features by one pixel to the left and to the right, and at the top and the bottom if asked for.

    Args:
        x: ``[B, C, H, W]``.
        mode: ``reflect`` mirrors without repeating the border, as the paper's models do (section 6.1). A side of one
            pixel has nothing to mirror; it is repeated, so that every image size from 1x1 up works. ``replicate``
            repeats the border.
        top, bottom: whether to add a row there.

    Returns:
        ``[B, C, H + top + bottom, W + 2]``.
    """
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        # Autocast would convert the copy to float32, and back again for the convolution.
        with torch.autocast("cpu", enabled=False):
            return pad_one(x, mode, top, bottom)
    rows = (int(top), int(bottom))
    height, width = x.shape[-2:]
    if mode == "replicate" or (height > 1 and width > 1):
        return F.pad(x, (1, 1, *rows), mode=mode)
    x = F.pad(x, (1, 1, 0, 0), mode="reflect" if width > 1 else "replicate")
    return F.pad(x, (0, 0, *rows), mode="reflect" if height > 1 else "replicate")
