"""A style that changes over time: styles at key frames, interpolated in between."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Generic, TypeVar

from ..errors import AdaINError

S = TypeVar("S")


class StyleTrack(Generic[S]):
    """The styles of each frame, and in which mixture.

    Between two keys the weights change linearly (section 7.4). Before the first key and after the last one they are
    constant.

    Args:
        styles: at least one, encoded or as images.
        keys: the frame at which each style is reached, increasing from 0 or later; None: the styles' even mix in all.

    Raises:
        AdaINError: another number of keys than of styles, or keys that do not increase.
    """

    def __init__(self, styles: Sequence[S], keys: Sequence[int] | None = None) -> None:
        check_keys(len(styles), keys)
        self.styles, self.keys = list(styles), keys

    def at(self, frame: int) -> tuple[list[S], list[float]]:
        """The styles of a frame, counted from 0, and their weights, which sum to more than 0."""
        if self.keys is None:
            return self.styles, [1.0] * len(self.styles)
        after = bisect_right(self.keys, frame)
        if after == 0 or after == len(self.keys):
            return [self.styles[max(after - 1, 0)]], [1.0]
        start, end = self.keys[after - 1 : after + 1]
        share = (frame - start) / (end - start)
        return self.styles[after - 1 : after + 1], [1 - share, share]


def check_keys(styles: int, keys: Sequence[int] | None) -> None:
    """Raises AdaINError unless there are no keys, or one for each style, increasing from 0 or later."""
    if keys is None:
        return
    if len(keys) != styles:
        raise AdaINError(f"keys: expected one frame for each of {styles} styles, found {len(keys)}")
    if keys[0] < 0 or any(b <= a for a, b in pairwise(keys)):
        raise AdaINError(f"keys: expected frames that increase from 0 or later, found {', '.join(map(str, keys))}")
