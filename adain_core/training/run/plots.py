"""Pictures of a training: loss curves and the grid of samples, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ...images.files import to_image
from .history import smooth

_COLORS = ("#1f5fa8", "#c8501e", "#2f8a4b", "#7a4ba0", "#8a6d1a", "#444444")
_GRID = "#dddddd"
_TEXT = "#222222"


def plot_losses(
    steps: Sequence[float], losses: Mapping[str, Sequence[float]], size: tuple[int, int] = (900, 480)
) -> Image.Image:
    """Draws curves over steps on a logarithmic axis: each loss as measured, pale, and smoothed.

    Args:
        steps: of the values.
        losses: by name, the values at those steps; values of 0 or below are not drawn.
        size: width and height in pixels.

    Returns:
        A Pillow image.
    """
    width, height = size
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    box = (70, 34, width - 20, height - 40)
    values = [value for curve in losses.values() for value in curve if 0 < value < math.inf]
    if not values or not steps:
        draw.text((box[0], box[1]), "no losses yet", fill=_TEXT, font=font)
        return image
    low, high = math.log10(min(values)), math.log10(max(values))
    margin = max(0.05 * (high - low), 0.02)  # a flat curve still has an axis around it
    low, high = low - margin, high + margin
    first, last = steps[0], max(steps[-1], steps[0] + 1)

    def position(step: float, value: float) -> tuple[float, float]:
        x = box[0] + (box[2] - box[0]) * (step - first) / (last - first)
        return x, box[3] - (box[3] - box[1]) * (math.log10(value) - low) / (high - low)

    for value in ticks(low, high):
        _, y = position(first, value)
        draw.line((box[0], y, box[2], y), fill=_GRID)
        draw.text((box[0] - 8, y), f"{value:g}", fill=_TEXT, font=font, anchor="rm")
    for k in range(5):
        step = first + (last - first) * k / 4
        x, _ = position(step, 10**low)
        draw.text((x, box[3] + 8), f"{step:,.0f}", fill=_TEXT, font=font, anchor="ma")
    draw.rectangle(box, outline="#888888")
    x = box[0]
    for color, (name, curve) in zip(_COLORS * 3, losses.items(), strict=False):
        points = [(s, v) for s, v in zip(steps, curve, strict=True) if 0 < v < math.inf]
        red, green, blue = (255 - (255 - int(color[i : i + 2], 16)) // 4 for i in (1, 3, 5))
        pale = (red, green, blue)
        _curve(draw, [position(s, v) for s, v in points], pale, 1)
        smoothed = smooth([v for _, v in points], 0.9)
        _curve(draw, [position(s, v) for (s, _), v in zip(points, smoothed, strict=True)], color, 2)
        draw.line((x, 18, x + 18, 18), fill=color, width=3)
        draw.text((x + 24, 18), name, fill=_TEXT, font=font, anchor="lm")
        x += 48 + int(draw.textlength(name, font=font))
    return image


def _curve(
    draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], color: str | tuple[int, int, int], width: int
) -> None:
    if len(points) == 1:
        x, y = points[0]
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=color)
    else:
        draw.line(points, fill=color, width=width)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two powers of ten, the fewer of each power the more powers there are."""
    exponents = range(math.floor(low), math.ceil(high) + 1)
    factors = (1, 1.5, 2, 3, 4, 5, 7) if high - low < 1 else (1, 2, 5) if high - low < 3 else (1,)
    ticks = [f * 10.0**e for e in exponents for f in factors]
    found = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return found or [10 ** ((low + high) / 2)]


def sample_grid(columns: Mapping[str, Tensor]) -> Image.Image:
    """Images side by side: a column per name, a row per image.

    Args:
        columns: ``[B, 3, n, n]`` RGB 0..1 each, of the same shape.

    Returns:
        A Pillow image with the names above.
    """
    gap, header = 4, 22
    batch, _, height, width = next(iter(columns.values())).shape
    grid = Image.new("RGB", (len(columns) * (width + gap) + gap, batch * (height + gap) + gap + header), "white")
    draw = ImageDraw.Draw(grid)
    font = ImageFont.load_default(min(14, max(8, width // 9)))
    for c, (name, images) in enumerate(columns.items()):
        x = gap + c * (width + gap)
        draw.text((x + width / 2, header / 2 + 2), name, fill=_TEXT, font=font, anchor="mm")
        for r, image in enumerate(torch.unbind(images)):
            grid.paste(to_image(image), (x, header + gap + r * (height + gap)))
    return grid
