"""Own pictures for the style library, drawn by formulas: CC0."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 768  # pixels
Picture = np.ndarray  # [SIDE, SIDE, 3] floats, 0..1


def _noise(random: np.random.Generator, cells: int, octaves: int = 1) -> np.ndarray:
    """Smooth noise ``[SIDE, SIDE]``, 0..1, of so many cells a side; each octave twice as fine and half as strong."""
    total = np.zeros((SIDE, SIDE))
    for k in range(octaves):
        grid = Image.fromarray(random.random((cells << k, cells << k)).astype(np.float32))
        total += np.asarray(grid.resize((SIDE, SIDE), Image.BICUBIC)) / 2**k
    return (total - total.min()) / np.ptp(total)


def _mixed(share: np.ndarray, one: tuple[float, ...], other: tuple[float, ...]) -> Picture:
    return share[..., None] * np.array(one) + (1 - share[..., None]) * np.array(other)


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels, 0..1."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return rows, columns


def _cells(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of random points: the nearest one's number at each pixel, and how much farther the second nearest is."""
    rows, columns = _grid()
    distances = np.stack([np.hypot(rows - y, columns - x) for y, x in random.random((count, 2))]).astype(np.float32)
    nearest = distances.argmin(0)
    two = np.partition(distances, 1, axis=0)
    return nearest, two[1] - two[0]


def stained_glass(random: np.random.Generator) -> Picture:
    """Panes in lead."""
    nearest, gap = _cells(random, 130)
    palette = np.array([(0.75, 0.07, 0.1), (0.05, 0.2, 0.65), (0.95, 0.7, 0.1), (0.05, 0.5, 0.3), (0.4, 0.1, 0.5)])
    panes = palette[random.integers(len(palette), size=130)] * random.uniform(0.7, 1.25, (130, 1))
    glass = panes[nearest] * (0.75 + 0.5 * _noise(random, 20, 2)[..., None])
    return np.where((gap < 0.009)[..., None], 0.04, glass).clip(0, 1)


def terrazzo(random: np.random.Generator) -> Picture:
    """Chips of stone in plaster."""
    nearest, gap = _cells(random, 420)
    palette = np.array([(0.8, 0.35, 0.25), (0.2, 0.35, 0.4), (0.9, 0.7, 0.35), (0.35, 0.5, 0.4), (0.25, 0.2, 0.2)])
    chips = palette[random.integers(len(palette), size=420)]
    edge = random.uniform(0.012, 0.035, 420)[nearest]
    plaster = _mixed(_noise(random, 60, 2), (0.96, 0.93, 0.88), (0.9, 0.86, 0.8))
    return np.where((gap > edge)[..., None], chips[nearest], plaster)


def blueprint(random: np.random.Generator) -> Picture:
    """White lines on blue paper."""
    sheet = Image.new("L", (2 * SIDE, 2 * SIDE))
    draw = ImageDraw.Draw(sheet)
    for k in range(0, 2 * SIDE, 48):
        draw.line((k, 0, k, 2 * SIDE), fill=45)
        draw.line((0, k, 2 * SIDE, k), fill=45)
    for x, y, a, b in random.integers(0, 2 * SIDE, (70, 4)):
        radius = int(20 + 160 * random.random())
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=230, width=4)
        draw.line((x, y, (x + a) // 2, y), fill=235, width=5)
        draw.rectangle((a, b, a + radius, b + 2 * radius), outline=210, width=4)
    ink = np.asarray(sheet.resize((SIDE, SIDE), Image.LANCZOS)) / 255
    return _mixed(ink.clip(0, 1), (0.93, 0.97, 1.0), (0.05, 0.2, 0.5)) * (0.85 + 0.3 * _noise(random, 8, 3)[..., None])


def neon(random: np.random.Generator) -> Picture:
    """Glowing tubes at night."""
    unit = SIDE / 768  # widths below are for that side
    picture = np.full((SIDE, SIDE, 3), (0.02, 0.01, 0.06))
    for colour in ((1.0, 0.1, 0.6), (0.1, 0.9, 1.0), (0.6, 0.2, 1.0), (1.0, 0.8, 0.2)):
        sheet = Image.new("L", (SIDE, SIDE))
        draw = ImageDraw.Draw(sheet)
        for _ in range(7):
            t = np.linspace(0, 2 * np.pi, 300)
            (cy, cx), (a, b), turn = (
                random.random((2,)) * SIDE,
                unit * (60 + 200 * random.random((2,))),
                random.random() * 6,
            )
            y, x = cy + a * np.sin(t * 2 + turn), cx + b * np.cos(t * 3)
            draw.line([*zip(x.tolist(), y.tolist(), strict=True)], fill=255, width=round(5 * unit), joint="curve")
        for blur, strength in ((1, 1.0), (7, 1.1), (24, 1.3)):
            glow = np.asarray(sheet.filter(ImageFilter.GaussianBlur(blur * unit))) / 255
            picture += strength * glow[..., None] * np.array(colour)
    return picture.clip(0, 1)


def marbling(random: np.random.Generator) -> Picture:
    """Inks floating on water, combed."""
    rows, columns = _grid()
    bands = 9 * rows + 2.5 * _noise(random, 4, 2) + 0.7 * np.sin(2 * np.pi * 5 * columns) * np.sin(2 * np.pi * 2 * rows)
    palette = np.array([(0.1, 0.15, 0.4), (0.85, 0.9, 0.9), (0.75, 0.2, 0.2), (0.95, 0.8, 0.5), (0.1, 0.45, 0.5)])
    number = (bands * 3).astype(int)
    return palette[number * 7919 % len(palette)] * (0.9 + 0.2 * _noise(random, 50)[..., None]).clip(0, 1.05)


def woodcut(random: np.random.Generator) -> Picture:
    """Grooves that follow the form, black and white."""
    rows, columns = _grid()
    form = _noise(random, 3, 2)
    grooves = np.sin(2 * np.pi * (26 * form + 10 * rows + 3 * columns))
    ink = grooves + 0.5 * (_noise(random, 90) - 0.5) > 1.5 * _noise(random, 4) - 0.75
    return _mixed(ink.astype(float), (0.07, 0.06, 0.06), (0.93, 0.9, 0.84))


def mosaic(random: np.random.Generator) -> Picture:
    """Small stones in rows, gold and blue."""
    count = 44
    rows, columns = _grid()
    shift = 0.35 * _noise(random, 3)
    y, x = (
        (rows + 0.12 * shift) * count,
        (columns + 0.12 * shift) * count + 0.5 * (((rows + 0.12 * shift) * count) // 1),
    )
    stone = (y.astype(int) * 131 + x.astype(int) * 57) % 997
    form = _noise(random, 4, 2) > 0.5
    gold, blue = np.array((0.85, 0.65, 0.2)), np.array((0.08, 0.2, 0.45))
    base = np.where(form[..., None], gold, blue) * random.uniform(0.55, 1.3, (997, 1))[stone]
    grout = (y % 1 < 0.1) | (x % 1 < 0.1)
    return np.where(grout[..., None], (0.2, 0.18, 0.15), base).clip(0, 1)


DRAWINGS: dict[str, Callable[[np.random.Generator], Picture]] = {
    drawing.__name__: drawing for drawing in (stained_glass, terrazzo, blueprint, neon, marbling, woodcut, mosaic)
}


def drawn(name: str) -> Image.Image:
    """One of `DRAWINGS`, the same each time."""
    levels = (DRAWINGS[name](np.random.default_rng(1)).clip(0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(levels)
