"""The time stamps in a video file: where they are, where they begin, whether they rise."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

from .pyav import import_av

_REORDERED = 32  # packets; no codec decodes them farther from the order they are shown in


def clock_start(container) -> Fraction:
    """The seconds at which a file's clock starts when that means nothing, as in MPEG transport streams; else 0."""
    av = import_av()
    arbitrary = av.format.Flags.ts_discont in av.format.Flags(container.format.flags)
    return Fraction(container.start_time or 0, av.time_base) if arbitrary else Fraction(0)


def clock_offset(container, stream) -> int:
    """`clock_start` in units of the stream's time base."""
    return round(clock_start(container) / stream.time_base)


def stamp_names(container) -> tuple[str, str]:
    """Where a packet's or frame's time stamp is, and where else if not there."""
    # AVI knows only when packets are decoded; FFmpeg's guess at when they are shown is not in order.
    return ("dts", "pts") if container.format.name == "avi" else ("pts", "dts")


def timestamps_increase(stamps: Iterable[int | None], until: int) -> bool:
    """Whether time stamps up to one of them are all there and, once in the order of showing, timestamps_increase.

    Args:
        stamps: of packets, in the order they are decoded in; read no farther than needed.
        until: the time stamp.
    """
    waiting: list[int] = []
    last = None
    for stamp in stamps:
        if stamp is None:
            return False
        heapq.heappush(waiting, stamp)
        if len(waiting) > _REORDERED:
            first = heapq.heappop(waiting)
            if last is not None and first <= last:
                return False
            if first > until:
                return True
            last = first
    shown = sorted(waiting) if last is None else [last, *sorted(waiting)]
    return all(a < b for a, b in pairwise(shown))
