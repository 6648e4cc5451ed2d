"""A style that changes over time: styles at key frames, interpolated in between."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from ..errors import AdaINError
from ..method.style import Style, mix


class StyleTrack:
    """The style of each frame.

    Between two keys the statistics are interpolated linearly (section 7.4). Before the first key and after the last one
    they are constant.

    Args:
        styles: at least one.
        keys: the frame at which each style is reached, increasing from 0 or later; None: the styles' even mix in all.

    Raises:
        AdaINError: another number of keys than of styles, or keys that do not increase.
    """

    def __init__(self, styles: Sequence[Style], keys: Sequence[int] | None = None) -> None:
        check_keys(len(styles), keys)
        self.styles = list(styles) if keys is not None else [mix(styles, [1.0] * len(styles))]
        self.keys = list(keys) if keys is not None else [0]

    def at(self, frame: int) -> Style:
        """The style of a frame, counted from 0."""
        after = bisect_right(self.keys, frame)
        if after == 0 or after == len(self.keys):
            return self.styles[max(after - 1, 0)]
        start, end = self.keys[after - 1 : after + 1]
        share = (frame - start) / (end - start)
        return mix(self.styles[after - 1 : after + 1], [1 - share, share])


def check_keys(styles: int, keys: Sequence[int] | None) -> None:
    """Raises AdaINError unless there are no keys, or one for each style, increasing from 0 or later."""
    if keys is None:
        return
    if len(keys) != styles:
        raise AdaINError(f"keys: expected one frame for each of {styles} styles, found {len(keys)}")
    if keys[0] < 0 or any(b <= a for a, b in pairwise(keys)):
        raise AdaINError(f"keys: expected frames that increase from 0 or later, found {', '.join(map(str, keys))}")
