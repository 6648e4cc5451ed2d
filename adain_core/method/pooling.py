"""The statistics of many images as if they were one."""

from __future__ import annotations

from collections.abc import Sequence

from .float64 import widened
from .normalization import EPSILON, Statistics, std_from_variance


def pool(parts: Sequence[Statistics], weights: Sequence[float]) -> Statistics:
    """Channel statistics over all positions of several feature maps.

    ``mean = sum_k n_k mean_k / n`` and ``variance = sum_k n_k (variance_k + (mean_k - mean)^2) / n``: not the average
    of the deviations, but those of all positions together, with what the maps differ by.

    Args:
        parts: each map's statistics, ``[1, C]``; at least one.
        weights: each map's number of positions, or the sum of their weights.

    Returns:
        ``[1, C]``, float32.
    """
    total = sum(weights)
    means, deviations = [widened(part.mean) for part in parts], [widened(part.std) for part in parts]
    mean = sum((n / total * m for n, m in zip(weights, means, strict=True)), start=0 * means[0])
    variance = 0 * mean
    for n, m, std in zip(weights, means, deviations, strict=True):
        # Deviations have EPSILON inside their root.
        variance = variance + n / total * ((std.square() - EPSILON).clamp(min=0) + (m - mean).square())
    like = parts[0].mean
    return Statistics(mean.float().to(like.device), std_from_variance(variance).float().to(like.device))
