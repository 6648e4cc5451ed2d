"""Batch, instance, conditional instance and adaptive instance normalization, side by side (eq. 1-8).

All four are ``gamma * (x - mean) / std + beta`` with ``std = sqrt(variance + EPSILON)`` and the biased variance
(divided by the number of values, not by one less). They differ in the dimensions that the statistics are computed
over, and in where gamma and beta come from:

======================  ===========  =============================================  ===================
normalization           statistics   gamma, beta                                    Huang & Belongie
======================  ===========  =============================================  ===================
batch                   N, H, W      learned, one pair per channel                  section 3.1, eq. 1-3
instance                H, W         learned, one pair per channel                  section 3.2, eq. 4-6
conditional instance    H, W         learned, one pair per channel and known style  section 3.3, eq. 7
adaptive instance       H, W         the style's standard deviation and mean        section 5, eq. 8
======================  ===========  =============================================  ===================

"Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", ICCV 2017, arXiv:1703.06868.
Statistics are computed in float32 (float64 for float64 input) whatever the input's type.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import AdaINError

EPSILON = 1e-5


class Statistics(NamedTuple):
    """Channel means and standard deviations, each ``[B, C]``, float32 or float64."""

    mean: Tensor
    std: Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision widened to float32; float32 and float64 as they are."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _over_space(per_channel: Tensor) -> Tensor:
    return per_channel[..., None, None]


def std_from_variance(variance: Tensor, eps: float = EPSILON) -> Tensor:
    """``sqrt(variance + eps)``: epsilon is inside the root, as in eq. 3 and 6."""
    return (variance + eps).sqrt()


def channel_statistics(x: Tensor, mask: Tensor | None = None, eps: float = EPSILON) -> Statistics:
    """Mean and standard deviation of every channel over space (eq. 5 and 6).

    Args:
        x: features ``[B, C, H, W]``.
        mask: weights over space, ``[B, H, W]`` or ``[1, H, W]``, at least 0; a position counts in proportion to its
            weight. None: every position counts the same.
        eps: added to the variance, inside the square root.

    Returns:
        Statistics, ``[B, C]`` each.

    Raises:
        AdaINError: the mask's shape does not fit, or its weights sum to 0 for a sample.
    """
    x = at_least_float32(x)
    if mask is None:
        variance, mean = torch.var_mean(x, dim=(2, 3), correction=0)
        return Statistics(mean, std_from_variance(variance, eps))
    weights = _space_weights(x, mask)
    mean = (x * weights).sum(dim=(2, 3))
    variance = ((x - _over_space(mean)).square() * weights).sum(dim=(2, 3))
    return Statistics(mean, std_from_variance(variance, eps))


def _space_weights(x: Tensor, mask: Tensor) -> Tensor:
    """The mask as ``[B or 1, 1, H, W]`` summing to 1 over space."""
    batch, _, height, width = x.shape
    if mask.ndim != 3 or mask.shape[0] not in (1, batch) or mask.shape[1:] != x.shape[2:]:
        raise AdaINError(
            f"mask: expected shape [{batch} or 1, {height}, {width}] to match the features, found {list(mask.shape)}"
        )
    mask = mask.to(x)[:, None]
    check_not_empty(mask)
    return mask / mask.sum(dim=(2, 3), keepdim=True)


def check_not_empty(mask: Tensor) -> None:
    """Raises AdaINError when the weights ``[B, ...]`` of a sample are all 0: there are no values to average."""
    # This waits for the device, but without it the statistics, and with them the whole image, would become NaN.
    if not bool((mask.flatten(1).sum(dim=1) > 0).all()):
        raise AdaINError("mask: expected weights above 0, found an empty mask; paint some of it white")


def _scale_and_shift(x: Tensor, statistics: Statistics, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    normalized = (at_least_float32(x) - _over_space(statistics.mean)) / _over_space(statistics.std)
    if gamma is not None:
        normalized = normalized * _over_space(gamma)
    if beta is not None:
        normalized = normalized + _over_space(beta)
    return normalized.to(x.dtype)


def batch_norm(x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, eps: float = EPSILON) -> Tensor:
    """Batch normalization with the batch's own statistics (eq. 1-3).

    ``BN(x) = gamma * (x - mean(x)) / std(x) + beta``, statistics over N, H and W.

    Args:
        x: ``[B, C, H, W]``.
        gamma, beta: ``[C]``; None leaves out the scale or the shift.

    Returns:
        ``[B, C, H, W]``, the input's type.
    """
    variance, mean = torch.var_mean(at_least_float32(x), dim=(0, 2, 3), correction=0)
    return _scale_and_shift(x, Statistics(mean, std_from_variance(variance, eps)), gamma, beta)


def instance_norm(
    x: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    mask: Tensor | None = None,
    eps: float = EPSILON,
) -> Tensor:
    """Instance normalization (eq. 4-6).

    ``IN(x) = gamma * (x - mean(x)) / std(x) + beta``, statistics over H and W of each sample.

    Args:
        x: ``[B, C, H, W]``.
        gamma, beta: ``[C]``, or ``[B, C]`` for a pair per sample; None leaves out the scale or the shift.
        mask: weights over space for the statistics, see `channel_statistics`.

    Returns:
        ``[B, C, H, W]``, the input's type.
    """
    return _scale_and_shift(x, channel_statistics(x, mask, eps), gamma, beta)


def conditional_instance_norm(x: Tensor, styles: Tensor, gammas: Tensor, betas: Tensor, eps: float = EPSILON) -> Tensor:
    """Conditional instance normalization: one learned pair per known style (eq. 7).

    ``CIN(x; s) = gamma_s * (x - mean(x)) / std(x) + beta_s``.

    Args:
        x: ``[B, C, H, W]``.
        styles: index of each sample's style, int64 ``[B]``.
        gammas, betas: ``[S, C]`` for S styles.

    Returns:
        ``[B, C, H, W]``, the input's type.
    """
    return instance_norm(x, gammas[styles], betas[styles], eps=eps)


def adaptive_instance_norm(x: Tensor, style: Statistics, mask: Tensor | None = None, eps: float = EPSILON) -> Tensor:
    """Adaptive instance normalization: scale and shift come from the style, nothing is learned (eq. 8).

    ``AdaIN(x, y) = std(y) * (x - mean(x)) / std(x) + mean(y)``. `adain.adain` is the same formula with alpha and
    masks.

    Args:
        x: content features ``[B, C, H, W]``.
        style: the style's statistics, ``[B or 1, C]`` each.
        mask: weights over space for the content's statistics, see `channel_statistics`.

    Returns:
        ``[B, C, H, W]``, the input's type.
    """
    return instance_norm(x, style.std, style.mean, mask, eps)
