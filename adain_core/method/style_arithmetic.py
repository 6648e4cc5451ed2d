"""Styles beyond those given: exaggerated, subtracted, carried over."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from ..errors import AdaINError
from .normalization import Statistics
from .style import Style, check_one_weight_each, combine


def extrapolate(styles: Sequence[Style], weights: Sequence[float], names: Sequence[str] | None = None) -> Style:
    """Mixes styles with weights that may be below 0 or above 1.

    ``mean = sum_k w_k mean_k`` as in `style.mix`, but ``log std = sum_k w_k log std_k``: a deviation is a scale, and so
    it stays above 0 whatever the weights.

    Example:
        >>> plain = Style(Statistics(torch.ones(1, 2), torch.ones(1, 2)), "an encoder")
        >>> bold = Style(Statistics(torch.full((1, 2), 3.0), torch.full((1, 2), 2.0)), "an encoder")
        >>> bolder = extrapolate([plain, bold], weights=[-1, 2])
        >>> bolder.statistics
        Statistics(mean=tensor([[5., 5.]]), std=tensor([[4., 4.]]))

    Args:
        styles: at least one; a batch of 1 is broadcast.
        weights: one per style, finite; scaled here to sum to 1.
        names: what error messages call the styles; None: style 1, style 2, ...

    Raises:
        AdaINError: weights that are not finite or do not sum to more than 0; and as `style.mix`.
    """
    check_one_weight_each(styles, weights)
    total = sum(weights)
    if not math.isfinite(total) or total <= 0:
        raise AdaINError(f"weights: expected finite numbers that sum to more than 0, found {list(weights)}")
    shares = [w / total for w in weights]

    def rule(layer: Sequence[Statistics]) -> Statistics:
        mean, log_std = torch.zeros_like(layer[0].mean), torch.zeros_like(layer[0].std)
        for share, statistics in zip(shares, layer, strict=True):
            mean = mean + share * statistics.mean.to(mean)
            log_std = log_std + share * statistics.std.to(log_std).log()
        return Statistics(mean, log_std.exp())

    return combine(styles, rule, names)


def toward(
    style: Style, others: Sequence[Style], amounts: Sequence[float], names: Sequence[str] | None = None
) -> Style:
    """A style moved toward others, or away from them.

    Args:
        style: where it begins.
        others: at least one.
        amounts: one for each: 1 goes all the way, more beyond it, below 0 away from it. Those of several add up.
        names: what error messages call style and others; None: style 1, style 2, ...

    Returns:
        `extrapolate` with the amounts as weights, and what is left of 1 for the style.

    Raises:
        AdaINError: as `extrapolate`.
    """
    return extrapolate([style, *others], [1 - sum(amounts), *amounts], names)
