"""A bank: several styles as one of batch N, and one of them, or their mix."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import AdaINError
from .style import Style, mix


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
