"""Which numbers a setting may have."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """An interval of finite numbers.

    Attributes:
        low, high: its ends; without ``high`` it has none.
        noun: what to call such a number, with its article.
        above: whether ``low`` itself is left out.

    Example:
        >>> share = Range(0, 1, "a share")
        >>> 0.5 in share, 1.5 in share
        (True, False)
        >>> str(share)
        'a share from 0 to 1'
    """

    low: float
    high: float = math.inf
    noun: str = "a number"
    above: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high and value < math.inf and not (self.above and value == self.low)

    @property
    def limits(self) -> str:
        """The interval alone: ``at least 1``, ``above 0``, ``from 0 to 1``."""
        if self.above:
            return f"above {self.low}"
        return f"at least {self.low}" if self.high == math.inf else f"from {self.low} to {self.high}"

    def __str__(self) -> str:
        return f"{self.noun} {'of ' if self.limits.startswith('at') else ''}{self.limits}"


WHOLE = "a whole number"
AT_LEAST_1 = Range(1, noun=WHOLE)
AT_LEAST_0 = Range(0, noun=WHOLE)
SEED = Range(0, 2**64 - 1, WHOLE)
WEIGHT = Range(0)
DECAY = Range(0, 0.9999, "a decay")
SHARE = Range(0, 1, "a share")
POSITIVE = Range(0, above=True)
