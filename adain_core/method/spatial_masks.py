"""Spatial masks: from pixels to the places of the features."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..errors import AdaINError
from .features import feature_size


def to_feature_grid(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask over the image as a mask over its features.

    A place's weight is the mean of the mask over its 8x8 pixels, so that soft edges stay soft. A mask of another
    size than the image is stretched to it.

    Args:
        mask: ``[B, h, w]`` or ``[h, w]``, 0..1.
        size: height and width of the image.

    Returns:
        ``[B, ceil(H/8), ceil(W/8)]``, float32, 0..1.

    Raises:
        AdaINError: another shape, or values that are not finite.
    """
    if mask.ndim == 2:
        mask = mask[None]
    if mask.ndim != 3 or 0 in mask.shape:
        raise AdaINError(f"mask: expected shape [batch, height, width], found {list(mask.shape)}")
    if not bool(mask.isfinite().all()):
        raise AdaINError("mask: expected finite weights from 0 to 1, found NaN or infinity")
    mask = mask.float().clamp(0, 1)[:, None]
    if tuple(mask.shape[2:]) != tuple(size):
        mask = F.interpolate(mask, size, mode="bilinear", antialias=True, align_corners=False)
    height, width = feature_size(*size)
    # Places at the right and bottom border may have fewer than 8 pixels: average over those there are.
    return F.avg_pool2d(mask, 8, ceil_mode=True, count_include_pad=False)[:, 0, :height, :width].clamp(0, 1)
