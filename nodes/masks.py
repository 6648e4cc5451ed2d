"""Masks as ComfyUI gives them, and what counts as none.

ComfyUI has no mask that says 'none': Load Image gives zeros for pictures without transparency, of 64x64 or of the
picture's size, one or one for each frame. Taken by its word that would mean 'nowhere', and every such graph would do
nothing. So a mask that is empty in the whole batch counts as none, and the node says so on itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..adain_core.errors import check_finite

# Less than a step of 8 bits, 1 / 255. ComfyUI 0.33 reads the opacity of a GIF in 16 bits, and where it is opaque gives
# anything up to 1 - 255 * 256 / 65535 = 1 / 257.
_LEAST = 1 / 256


def mask_or_none(mask: Tensor | None, instead: str, name: str = "mask") -> tuple[Tensor | None, list[str]]:
    """A MASK, or None for one that is empty in the whole batch.

    Args:
        mask: ``[B, H, W]`` or ``[H, W]`` of any type; None: not connected.
        instead: what happens without a mask, for the user.
        name: of the input, for the error.

    Returns:
        The mask ``[B, H, W]`` float32, weights too small to be seen at 0; and what the node shall say about it.

    Raises:
        AdaINError: values that are not finite.
    """
    if mask is None:
        return None, []
    mask = mask.float()
    check_finite(name, mask)
    mask = torch.where(mask < _LEAST, 0.0, mask)
    if not mask.any():
        return None, [f"The mask is empty and counts as none: {instead}."]
    return mask[None] if mask.ndim == 2 else mask, []


def empty_samples(mask: Tensor) -> list[int]:
    """Which masks of a batch are empty, counted from 1."""
    return [k for k, sample in enumerate(mask, 1) if not sample.any()]
