"""Conversion of ComfyUI's images and masks to the core's and back."""

from __future__ import annotations

import torch
from torch import Tensor

from ..adain_core.errors import AdaINError


def to_core(image: Tensor) -> Tensor:
    """IMAGE ``[B, H, W, C]`` 0..1 as ``[B, 3, H, W]``: transparent pixels blended with white, greyscale repeated.

    Raises:
        AdaINError: another shape.
    """
    if image.ndim != 4 or image.shape[3] not in (1, 3, 4):
        raise AdaINError(f"image: expected shape [batch, height, width, 3], found {list(image.shape)}")
    image = image.movedim(3, 1)
    if image.shape[1] == 4:
        opacity = image[:, 3:]
        image = image[:, :3] * opacity + (1 - opacity)
    return image.expand(-1, 3, -1, -1)


def to_comfy(images: Tensor) -> Tensor:
    """``[B, 3, H, W]`` as IMAGE ``[B, H, W, 3]``."""
    return images.movedim(1, 3).contiguous()


def mask_or_none(mask: Tensor | None) -> Tensor | None:
    """A MASK ``[B, H, W]``, or None for the mask that means 'no mask'.

    For a picture without transparency, LoadImage gives a mask of 64x64 zeros. As a mask it would mean 'nowhere' and
    the graph would change nothing, so exactly this tensor counts as none. Other masks of zeros are masks.
    """
    if mask is None:
        return None
    mask = mask[None] if mask.ndim == 2 else mask
    if tuple(mask.shape) == (1, 64, 64) and not torch.any(mask):
        return None
    return mask
