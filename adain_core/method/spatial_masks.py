"""Spatial masks: from the image's pixels to the feature grid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import AdaINError
from .features import STRIDE


def to_feature_grid(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask over the image as a mask over its features.

    The weight at a position is the mean of the mask over its 8x8 pixels, so that soft edges stay soft. A mask of
    another size than the image is stretched to it.

    Args:
        mask: ``[B, h, w]`` or ``[h, w]``, 0..1; values outside are clamped.
        size: height and width of the image.

    Returns:
        ``[B, ceil(H/8), ceil(W/8)]``, float32, 0..1.

    Raises:
        AdaINError: another shape, or values that are not finite.
    """
    # Positions at the right and bottom border may have fewer than 8x8 pixels: the mean is over those.
    weights = F.avg_pool2d(to_size(mask, size)[:, None], STRIDE, ceil_mode=True, count_include_pad=False)
    return weights[:, 0].clamp(0, 1)


def where_visible(mask: Tensor, opacity: Tensor) -> Tensor:
    """Weights for statistics inside a mask: the mask times the opacity, or the mask alone where nothing is visible.

    Args:
        mask, opacity: ``[B or 1, h, w]`` 0..1, of the same height and width.
    """
    product = mask * opacity.to(mask)
    nothing = (product <= 0).flatten(1).all(dim=1)[:, None, None]
    return torch.where(nothing, mask, product)


def visible_positions(opacity: Tensor) -> Tensor:
    """Which pixels lie at a position of the feature grid where anything can be seen.

    Args:
        opacity: ``[B, H, W]`` or ``[H, W]``, 0..1.

    Returns:
        ``[B, H, W]``, 0 or 1, the same in the 8x8 pixels of each position.
    """
    opacity = opacity[None] if opacity.ndim == 2 else opacity
    seen = F.max_pool2d((opacity > 0).float()[:, None], STRIDE, ceil_mode=True)
    pixels = seen.repeat_interleave(STRIDE, dim=2).repeat_interleave(STRIDE, dim=3)
    return pixels[:, 0, : opacity.shape[1], : opacity.shape[2]]


def to_size(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask stretched to an image's size.

    Args:
        mask: ``[B, h, w]`` or ``[h, w]``, 0..1; values outside are clamped.
        size: height and width of the image.

    Returns:
        ``[B, H, W]``, float32, 0..1.

    Raises:
        AdaINError: another shape, or values that are not finite.
    """
    if mask.ndim == 2:
        mask = mask[None]
    if mask.ndim != 3 or 0 in mask.shape:
        raise AdaINError(f"mask: expected shape [batch, height, width], found {list(mask.shape)}")
    if not bool(mask.isfinite().all()):
        raise AdaINError("mask: expected finite weights from 0 to 1, found NaN or infinity")
    mask = mask.float().clamp(0, 1)
    if tuple(mask.shape[1:]) == tuple(size):
        return mask
    return F.interpolate(mask[:, None], size, mode="bilinear", antialias=True, align_corners=False)[:, 0].clamp(0, 1)
