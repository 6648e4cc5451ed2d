"""Histogram matching of numbers: the map to another distribution that keeps their order."""

from __future__ import annotations

import torch
from torch import Tensor

_SAME = 1e-9  # numbers nearer than this are one number: they differ by rounding


def match_histogram(
    values: Tensor, reference: Tensor, weights: Tensor | None = None, reference_weights: Tensor | None = None
) -> Tensor:
    """Gives numbers the distribution of others.

    Each number becomes the reference's quantile at its own rank: the solution of optimal transport in one dimension.
    It covers a range of ranks, ``1 / N`` wide without ties, and gets the mean of the quantiles there. So equal numbers
    stay equal, and if all are the same they become the reference's mean.

    Args:
        values: ``[N]`` float64.
        reference: ``[M]`` float64.
        weights, reference_weights: how much each number counts, ``[N]`` and ``[M]``, at least 0, some above 0; None:
            all the same.

    Returns:
        ``[N]`` float64, between the least and the greatest of the reference. With as many numbers in both, all
        different, they are the reference's own.
    """
    ordered, order = values.sort()
    share = _shares(ordered, None if weights is None else weights.to(values)[order])
    group = torch.cat([order.new_zeros(1), (ordered.diff() > _SAME).long().cumsum(0)])
    widths = share.new_zeros(int(group[-1]) + 1).index_add_(0, group, share)
    ends = widths.cumsum(0)

    targets, target_order = reference.sort()
    target_share = _shares(
        targets, None if reference_weights is None else reference_weights.to(reference)[target_order]
    )
    steps, areas = target_share.cumsum(0), (target_share * targets).cumsum(0)

    def quantile(rank: Tensor) -> tuple[Tensor, Tensor]:
        """The quantile at a rank 0..1, and its integral from 0 to there."""
        k = torch.searchsorted(steps, rank).clamp(max=len(steps) - 1)
        return targets[k], areas[k] - (steps[k] - rank) * targets[k]

    (lower, before), (_, after) = quantile(ends - widths), quantile(ends)
    tiny = torch.finfo(widths.dtype).tiny
    # A number of weight 0 has a rank and no width.
    found = torch.where(widths > 0, (after - before) / widths.clamp(min=tiny), lower)
    found = found.clamp(targets[0], targets[-1])
    result = torch.empty_like(values)
    result[order] = found[group]
    return result


def _shares(values: Tensor, weights: Tensor | None) -> Tensor:
    """Of each number in the whole, summing to 1."""
    if weights is None:
        return torch.full_like(values, 1 / len(values))
    return weights / weights.sum()
