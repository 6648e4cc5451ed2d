"""AdaIN with its controls: content-style trade-off, channel mask and spatial mask, as one scale and one shift."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import AdaINError, check_batch
from .channel_masks import check_channels
from .normalization import Statistics, channel_statistics


def adain(
    content: Tensor,
    style: Statistics,
    alpha: float = 1.0,
    channels: Tensor | None = None,
    mask: Tensor | None = None,
    content_statistics: Statistics | None = None,
    onto: Tensor | None = None,
) -> Tensor:
    """Gives content features the style's statistics (eq. 8), interpolated with the content by weights (eq. 14).

    The weight of a channel at a position is ``w = alpha * channels * mask``. The result is
    ``(1 - w) * x + w * AdaIN(x, y)``, computed as ``scale * x + shift`` with
    ``scale = 1 + w * (std(y)/std(x) - 1)`` and ``shift = w * (mean(y) - mean(x) * std(y)/std(x))``.
    Where w is 0 the content is unchanged to the bit.

    Args:
        content: features ``[B, C, H, W]``.
        style: statistics ``[B, C]`` or ``[1, C]`` each.
        alpha: content-style trade-off, 0..1.
        channels: channel mask ``[C]`` or ``[B, C]``, weights 0..1, see `channel_masks.over_finer_channels`; None:
            all 1.
        mask: spatial mask ``[B, H, W]`` or ``[1, H, W]`` at the features' size, 0..1; None: all 1. The content's
            statistics are computed inside it. A sample whose mask is empty is returned unchanged.
        content_statistics: the content's statistics if they are known already; None: computed here.
        onto: with a mask, features to add AdaIN's change of the content to; None: the content itself. So the changes
            of several regions add up, see `regions`.

    Returns:
        ``[B, C, H, W]``, the content's type; float32 where styles beyond those of pictures overflow in float16.

    Raises:
        AdaINError: alpha is outside 0..1 or not finite, or shapes do not fit (both are quoted).
    """
    check_alpha(alpha)
    batch, count = content.shape[:2]
    if style.mean.shape[-1] != count:
        raise AdaINError(
            f"style: expected statistics of {count} channels like the content, found {style.mean.shape[-1]}"
        )
    check_batch("style", style.mean.shape[0], batch)
    channels = None if channels is None else check_channels(channels, count)
    base = content if onto is None else onto
    if alpha == 0:
        return base
    if mask is not None:
        mask = mask.to(content.device, torch.float32)
    if content_statistics is None:
        content_statistics = channel_statistics(content, None if mask is None else nonempty(mask))
    mean, std = content_statistics
    ratio = style.std.to(mean) / std
    weight = torch.full_like(ratio, alpha)
    if channels is not None:
        weight = weight * channels.to(mean)
    scale = (weight * (ratio - 1))[..., None, None]
    shift = (weight * (style.mean.to(mean) - mean * ratio))[..., None, None]
    if mask is None:
        return _affine(content, scale + 1, shift)
    weight = mask[:, None]
    # base + mask * (scale * content + shift), in two fused passes
    return torch.addcmul(base, weight.to(content), _affine(content, scale, shift))


def _affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``scale * x + shift`` in one pass, in float32 at least, in the input's type where it does not overflow there."""
    result = torch.addcmul(shift, x.to(scale.dtype), scale)
    if x.dtype == torch.float16 and max(float(result.amax()), -float(result.amin())) > torch.finfo(x.dtype).max:
        return result
    return result.to(x.dtype)


def nonempty(mask: Tensor) -> Tensor:
    """The mask ``[B, H, W]``, with ones for a sample whose mask is empty: statistics exist there, and go unused."""
    empty = (mask <= 0).flatten(1).all(dim=1)
    return torch.where(empty.view(-1, *[1] * (mask.ndim - 1)), torch.ones_like(mask), mask)


def check_alpha(alpha: float) -> float:
    """Returns alpha if it is a finite number in 0..1, else raises AdaINError."""
    if not math.isfinite(alpha) or not 0 <= alpha <= 1:
        raise AdaINError(f"alpha: expected a number from 0 (content) to 1 (style), found {alpha}")
    return alpha
