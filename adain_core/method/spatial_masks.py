"""Spatial masks: from the image's pixels to the feature grid, and soft edges there."""

from __future__ import annotations

import math

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


def feathered(mask: Tensor, size: tuple[int, int], width: float) -> Tensor:
    """A mask with soft edges: averaged on the feature grid, as `soften` says, and brought back to pixels.

    Masks that add up to 1 still do.

    Args:
        mask: as of `to_size`.
        size: height and width of the image.
        width: of the edges, pixels of the image; 0: the mask as it is.

    Returns:
        ``[B, H, W]``, float32, 0..1.

    Raises:
        AdaINError: as `to_size` and `check_feather`.
    """
    if check_feather(width) == 0:
        return to_size(mask, size)
    soft = soften(to_feature_grid(mask, size), width)
    return over_pixels(soft, slice(0, size[0]), slice(0, size[1]))


def soften(weights: Tensor, width: float) -> Tensor:
    """Averages a mask over its neighbourhood on the feature grid, with the window ``cos^2`` both ways.

    A straight edge becomes a ramp as wide as said, its middle where the edge was. Beyond it nothing changes. Widths up
    to 16 pixels, the distance of a position's neighbours on both sides, are less than the grid can show: unchanged.
    Widths beyond twice the longer side count as that.

    Args:
        weights: ``[B, h, w]`` on the feature grid.
        width: of the edges, pixels of the image.
    """
    radius = min(width / (2 * STRIDE), max(weights.shape[1:]))  # positions
    reach = math.ceil(radius) - 1
    if reach < 1:
        return weights
    window = (torch.arange(-reach, reach + 1) * (math.pi / 2 / radius)).cos().square().to(weights)
    window = window / window.sum()
    # The border continued, not darkened: a mask of ones stays one.
    x = F.pad(weights[:, None], [reach] * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    return x[:, 0].clamp(0, 1)


def over_pixels(weights: Tensor, rows: slice, columns: slice) -> Tensor:
    """A mask on the feature grid over pixels of the image, bilinear between the positions' centres.

    Args:
        weights: ``[B, h, w]``.
        rows, columns: of the image's pixels.

    Returns:
        ``[B, rows, columns]``.
    """
    for dim, part in ((1, rows), (2, columns)):
        last = weights.shape[dim] - 1
        at = ((torch.arange(part.start, part.stop, device=weights.device) + 0.5) / STRIDE - 0.5).clamp(0, last)
        below = at.floor().long()
        share = (at - below).view(-1, 1) if dim == 1 else at - below
        lower, upper = weights.index_select(dim, below), weights.index_select(dim, (below + 1).clamp(max=last))
        weights = torch.lerp(lower, upper, share)
    return weights


def check_feather(width: float) -> float:
    """Returns the width of soft edges if it is a finite number of pixels of at least 0, else raises AdaINError."""
    if not math.isfinite(width) or width < 0:
        raise AdaINError(f"feather: expected a number of pixels of at least 0, found {width}")
    return width


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
