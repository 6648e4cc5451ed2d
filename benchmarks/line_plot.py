"""Curves with a range around them, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from adain_core.training.run.plots import ticks

_SIZE = (900, 480)
_BOX = (80, 40, 865, 430)  # left, top, right, bottom
_COLORS = ("#1f5fa8", "#c8501e", "#2f8a4b", "#7a4ba0")
_GRID, _TEXT = "#dddddd", "#222222"
_MARGIN = 0.05  # of the values' span, above them and, where the axis is logarithmic, below
_TICKS = 6  # at most, but for the one at 0


@dataclass(frozen=True)
class Line:
    """A curve, and the lowest and highest values around it.

    Attributes:
        x, y: its points.
        low, high: at the same places; None: no range.
    """

    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def line_plot(lines: Mapping[str, Line], x_label: str, y_label: str, logarithmic: bool = False) -> Image.Image:
    """Draws up to four curves over one axis.

    Args:
        lines: by their names, which are shown where there are several.
        x_label, y_label: what the axes show.
        logarithmic: the y axis; all values are then above 0. Else it begins at 0.
    """
    image = Image.new("RGB", _SIZE, "white")
    draw, font = ImageDraw.Draw(image, "RGBA"), ImageFont.load_default(14)
    left, top, right, bottom = _BOX
    first = min(min(line.x) for line in lines.values())
    last = max(max(line.x) for line in lines.values())
    values = [v for line in lines.values() for curve in (line.y, line.low, line.high) for v in curve or ()]
    scale = math.log10 if logarithmic else float
    low, high = (scale(min(values)), scale(max(values))) if logarithmic else (0.0, max(values))
    margin = _MARGIN * (high - low)
    low, high = low - margin * logarithmic, high + margin

    def across(x: float) -> float:
        return left + (right - left) * (x - first) / max(last - first, 1)

    def up(y: float) -> float:
        return bottom - (bottom - top) * (scale(y) - low) / (high - low or 1)

    for tick in ticks(low, high) if logarithmic else _round_steps(0.0, high):
        draw.line((left, up(tick), right, up(tick)), fill=_GRID)
        draw.text((left - 8, up(tick)), f"{tick:,g}", fill=_TEXT, font=font, anchor="rm")
    for tick in _round_steps(first, last):
        draw.line((across(tick), top, across(tick), bottom), fill=_GRID)
        draw.text((across(tick), bottom + 8), f"{tick:,g}", fill=_TEXT, font=font, anchor="ma")
    draw.text(((left + right) / 2, bottom + 28), x_label, fill=_TEXT, font=font, anchor="ma")
    draw.text((10, 8), y_label, fill=_TEXT, font=font)
    name_at = left + draw.textlength(y_label, font=font) + 20
    for color, (name, line) in zip(_COLORS, lines.items(), strict=False):
        if line.low is not None and line.high is not None:
            edge = [*zip(line.x, line.high, strict=True), *reversed([*zip(line.x, line.low, strict=True)])]
            draw.polygon([(across(x), up(y)) for x, y in edge], fill=f"{color}30")
        draw.line([(across(x), up(y)) for x, y in zip(line.x, line.y, strict=True)], fill=color, width=2)
        if len(lines) > 1:
            draw.line((name_at, 16, name_at + 18, 16), fill=color, width=3)
            draw.text((name_at + 24, 16), name, fill=_TEXT, font=font, anchor="lm")
            name_at += 48 + draw.textlength(name, font=font)
    draw.rectangle(_BOX, outline="#888888")
    return image


def _round_steps(low: float, high: float) -> list[float]:
    """Multiples of a round step between two values."""
    span = high - low or abs(high) or 1.0
    unit = 10.0 ** math.floor(math.log10(span / _TICKS))
    step = next(unit * factor for factor in (1, 2, 5, 10) if span / (unit * factor) <= _TICKS)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
