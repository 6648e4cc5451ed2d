"""Where names stand in a plot of points, so that they can be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom

_AWAY = 8  # pixels from a point to its name
# Where the name's box has the point: at its left edge, its right one, below it, above it, at its corners.
_SIDES = [(1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1)]
_OUTSIDE, _NAME, _POINT, _LINE = 8, 4, 2, 1  # how bad it is to lie there, by comparison


def label_places(
    points: Sequence[Point],
    lines: Sequence[tuple[Point, Point]],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
) -> list[Point]:
    """The left top corners of names, one after the other beside its point where it covers least.

    Args:
        points: ``(x, y)`` in pixels.
        lines: between two points each.
        sizes: the names' width and height.
        frame: what they should stay within.
    """
    drawn = [at for line in lines for at in _along(*line)]
    taken: list[Box] = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        boxes = []
        for right, down in _SIDES:
            away = _AWAY if 0 in (right, down) else 0.6 * _AWAY
            left, top = x + right * (away + width / 2) - width / 2, y + down * (away + height / 2) - height / 2
            boxes.append((left, top, left + width, top + height))
        taken.append(min(boxes, key=_badness(points, drawn, taken, frame)))
    return [(left, top) for left, top, _, _ in taken]


def _badness(
    points: Sequence[Point], drawn: Sequence[Point], taken: Sequence[Box], frame: Box
) -> Callable[[Box], float]:
    """How much of what is there a box would cover."""

    def of(box: Box) -> float:
        left, top, right, bottom = box
        outside = left < frame[0] or top < frame[1] or right > frame[2] or bottom > frame[3]
        names = sum(left < other[2] and right > other[0] and top < other[3] and bottom > other[1] for other in taken)
        covered = [sum(left < x < right and top < y < bottom for x, y in many) for many in (points, drawn)]
        return _OUTSIDE * outside + _NAME * names + _POINT * covered[0] + _LINE * min(covered[1], 2) / 2

    return of


def _along(first: Point, last: Point) -> list[Point]:
    """Points on a line, about two pixels apart."""
    (a, b), (c, d) = first, last
    count = 2 + int(max(abs(c - a), abs(d - b)) / 2)
    return [(a + (c - a) * k / (count - 1), b + (d - b) * k / (count - 1)) for k in range(count)]
