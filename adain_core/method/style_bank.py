"""A bank: several styles as one of batch N; one of them, or their mix."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..errors import AdaINError
from .normalization import Statistics
from .style import ShallowStatistics, Style, in_common, mix


def joined(styles: Sequence[Style]) -> Style:
    """A bank of all those styles, in their order; those of a bank among them one after the other.

    Args:
        styles: at least one, ``[N_k, C]`` each.

    Returns:
        A style of batch ``sum_k N_k``, without name. Refining knows its layers where it knows those of all styles.

    Raises:
        AdaINError: the styles come from different encoders.
    """
    styles = in_common(styles)
    known = [style.shallow for style in styles if style.shallow is not None]
    shallow = None
    if len(known) == len(styles):
        shallow = ShallowStatistics(lambda: [_joined(layer) for layer in zip(*(k() for k in known), strict=True)])
    return Style(_joined([style.statistics for style in styles]), styles[0].encoder_id, shallow=shallow)


def row(bank: Style, number: int) -> Style:
    """One style of a bank.

    Args:
        bank: statistics ``[N, C]``.
        number: counted from 0.

    Raises:
        AdaINError: the bank has fewer.
    """
    if not 0 <= number < bank.batch:
        raise AdaINError(f"number: expected one from 0 to {bank.batch - 1}, since styles count from 0, found {number}")
    return bank.part(slice(number, number + 1))


def mixed(bank: Style, weights: Sequence[float]) -> Style:
    """The styles of a bank mixed (eq. 15), one weight each.

    Raises:
        AdaINError: another number of weights, or what `mix` refuses.
    """
    if len(weights) != bank.batch:
        raise AdaINError(f"weights: expected one for each of {bank.batch} styles, found {len(weights)}")
    return mix([row(bank, number) for number in range(bank.batch)], weights)


def _joined(statistics: Sequence[Statistics]) -> Statistics:
    means, deviations = zip(*statistics, strict=True)
    return Statistics(*(torch.cat([x.to(parts[0]) for x in parts]) for parts in (means, deviations)))
