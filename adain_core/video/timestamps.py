"""The time stamps in a video file: where they are, where they begin, whether they increase."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from .pyav import import_av

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_REORDERED = 32  # packets; no codec decodes them farther from the order they are shown in


def clock_start(container: InputContainer) -> Fraction:
    """The seconds that a file's time stamps are late by: the start of its clock where that is arbitrary, else 0.

    It is in formats made for broadcasting, such as MPEG transport streams.
    """
    av = import_av()
    arbitrary = av.format.Flags.ts_discont in av.format.Flags(container.format.flags)
    return Fraction(container.start_time or 0, av.time_base) if arbitrary else Fraction(0)


def clock_offset(container: InputContainer, stream: VideoStream) -> int:
    """`clock_start` in units of the stream's time base."""
    assert stream.time_base is not None  # an open file's streams have one
    return round(clock_start(container) / stream.time_base)


def stamp_names(container: InputContainer) -> tuple[str, str]:
    """The attribute that holds the time stamp of a packet or frame, and the one to take when that is None."""
    # AVI knows only when packets are decoded; FFmpeg's guess at when they are shown is not in order.
    return ("dts", "pts") if container.format.name == "avi" else ("pts", "dts")


def timestamps_increase(stamps: Iterable[int | None], until: int) -> bool:
    """Whether all packets up to a time stamp have stamps of their own, which increase in the order of showing.

    Args:
        stamps: of the packets, in decoding order; None where there is none. Read no farther than needed.
        until: what comes later does not matter.
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
