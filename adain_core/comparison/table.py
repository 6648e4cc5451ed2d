"""The comparison as text, as CSV and as a plot."""

from __future__ import annotations

import csv
import math
from io import StringIO
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from ..training.run.plots import ticks
from .compare import Rows
from .contenders import CONTENT
from .label_places import label_places

_SIZE = (900, 620)
_BOX = (80, 30, 870, 560)
_LABEL = 16  # pixels of height
_TEXT, _GRID = "#222222", "#dddddd"
_COLORS = {"alpha": "#1f5fa8", "refined": "#2f8a4b", "light": "#7a4ba0", "optimized": "#c8501e"}


def as_text(rows: Rows) -> str:
    """Columns, aligned."""
    names = _columns(rows)
    lines = [["", *names]]
    lines += [[name, *(_short(row.get(column)) for column in names)] for name, row in rows.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(x.ljust(w) if not i else x.rjust(w) for i, (x, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    )


def as_csv(rows: Rows) -> str:
    """A line for each contender."""
    text = StringIO()
    writer = csv.DictWriter(text, ["name", *_columns(rows)], lineterminator="\n")
    writer.writeheader()
    for name, row in rows.items():
        writer.writerow({"name": name} | {key: f"{value:.6g}" for key, value in row.items()})
    return text.getvalue()


def plot(rows: Rows) -> Image.Image:
    """Style loss over content loss, both logarithmic, as the paper's figure 3: what one contender gave is a line."""
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    # The content itself has a content loss of 0, but for rounding.
    shown = {name: row for name, row in rows.items() if name != CONTENT and min(row["content"], row["style"]) > 0}
    left, top, right, bottom = _BOX
    spans = []
    for key in ("content", "style"):
        values = [math.log10(row[key]) for row in shown.values()] or [0.0]
        margin = 0.08 * (max(values) - min(values)) + 0.05
        spans.append((min(values) - margin, max(values) + margin))

    def position(row: dict[str, float]) -> tuple[float, float]:
        x, y = (
            (math.log10(row[key]) - low) / (high - low)
            for key, (low, high) in zip(("content", "style"), spans, strict=True)
        )
        return left + x * (right - left), bottom - y * (bottom - top)

    for axis, (low, high) in enumerate(spans):
        for tick in ticks(low, high):
            share = (math.log10(tick) - low) / (high - low)
            if axis:
                y = bottom - share * (bottom - top)
                draw.line((left, y, right, y), fill=_GRID)
                draw.text((left - 8, y), f"{tick:g}", fill=_TEXT, font=font, anchor="rm")
            else:
                x = left + share * (right - left)
                draw.line((x, top, x, bottom), fill=_GRID)
                draw.text((x, bottom + 8), f"{tick:g}", fill=_TEXT, font=font, anchor="ma")
    draw.rectangle(_BOX, outline="#888888")
    across = "content loss (eq. 12, toward the photo)"
    draw.text(((left + right) / 2, bottom + 30), across, fill=_TEXT, font=font, anchor="ma")
    draw.text((left, top - 18), "style loss (eq. 13)", fill=_TEXT, font=font, anchor="la")
    points = {name: position(row) for name, row in shown.items()}
    kinds = [name.split()[0] for name in points]
    lines = []
    for kind in dict.fromkeys(kinds):
        own = [point for point, its in zip(points.values(), kinds, strict=True) if its == kind]
        lines += [(kind, line) for line in pairwise(own)]
    for kind, line in lines:
        draw.line(line, fill=_COLORS.get(kind, _TEXT), width=2)
    sizes = [(draw.textlength(name, font=font), _LABEL) for name in points]
    corners = label_places([*points.values()], [line for _, line in lines], sizes, _BOX)
    for (name, (x, y)), kind, (label_x, label_y) in zip(points.items(), kinds, corners, strict=True):
        color = _COLORS.get(kind, _TEXT)
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=color)
        draw.text((label_x, label_y + _LABEL / 2), name, fill=color, font=font, anchor="lm")
    return image


def _columns(rows: Rows) -> list[str]:
    return list(dict.fromkeys(key for row in rows.values() for key in row))


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
