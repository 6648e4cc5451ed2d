"""Pictures redrawn by simple means: kinds of style that collections of paintings lack."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
_CELLS = (4, 6, 8, 12)  # pixels, of mosaics


def redrawn(pixels: Tensor, random: torch.Generator) -> Tensor:
    """In grey, in ink, hatched as engravings are (twice as often), or as a mosaic.

    Args:
        pixels: ``[3, H, W]`` RGB 0..1.
        random: where the numbers come from.

    Returns:
        ``[3, H, W]`` RGB 0..1.
    """
    kind = int(torch.randint(5, (), generator=random))
    if kind == 0:
        return mosaic(pixels, random)
    luma = (pixels * pixels.new_tensor(_LUMA)[:, None, None]).sum(0)
    if kind == 1:
        return luma * (1 - _color(0.25, random))
    dark = ink(luma, random) if kind == 2 else hatching(luma, random)
    paper, pen = 1 - _color(0.3, random), _color(0.25, random)
    return torch.lerp(paper, pen, dark)


def ink(luma: Tensor, random: torch.Generator) -> Tensor:
    """Lines where the picture is darker than around them, and black where it is dark: ``[H, W]``, 1 is ink."""
    coarse = 3 if float(torch.rand((), generator=random)) < 0.5 else 5
    line = _blurred(luma, 1) - _blurred(luma, coarse)
    edges = torch.sigmoid(-(line + _between(0.01, 0.04, random)) * _between(60, 200, random))
    return torch.maximum(edges, torch.sigmoid((_between(0.05, 0.25, random) - luma) * 60))


def hatching(luma: Tensor, random: torch.Generator) -> Tensor:
    """Lines that are wider where the picture is darker, crossed in the dark: ``[H, W]``, 1 is ink."""
    height, width = luma.shape
    row, column = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    bend = (luma - 0.5) * _between(0, 20, random)
    first, period = _between(0, math.pi, random), _between(3.5, 8, random)
    crossing = first + (math.pi / 2 if float(torch.rand((), generator=random)) < 0.5 else 0.8)
    dark = torch.zeros_like(luma)
    for angle, share in ((first, (1 - luma) * 1.3 - 0.15), (crossing, (0.5 - luma) * 1.4)):
        share = share.clamp(0, 1)
        across = (row * math.sin(angle) + column * math.cos(angle)) * 2 * math.pi / period
        ridge = 0.5 + 0.5 * torch.cos(across + bend)
        dark = torch.maximum(dark, torch.sigmoid((ridge - (1 - share)) * 12) * (share > 0.02))
    return dark


def mosaic(pixels: Tensor, random: torch.Generator) -> Tensor:
    """Squares of one colour each, with grout between them: ``[3, H, W]``."""
    cell = _CELLS[int(torch.randint(len(_CELLS), (), generator=random))]
    height, width = pixels.shape[1:]
    small = F.avg_pool2d(pixels[None], cell, ceil_mode=True, count_include_pad=False)
    squares = F.interpolate(small, scale_factor=cell)[0, :, :height, :width]
    rows, columns = (torch.arange(side) % cell == 0 for side in (height, width))
    grout = rows[:, None] | columns[None]
    return squares.masked_fill(grout, (0.15, 0.5, 0.85)[int(torch.randint(3, (), generator=random))])


def _color(most: float, random: torch.Generator) -> Tensor:
    """A colour ``[3, 1, 1]`` whose parts are at most that."""
    return most * torch.rand((3, 1, 1), generator=random) * torch.rand((), generator=random)


def _between(low: float, high: float, random: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=random))


def _blurred(luma: Tensor, reach: int) -> Tensor:
    """Means over squares of that many pixels to each side."""
    return F.avg_pool2d(F.pad(luma[None, None], 4 * (reach,), mode="replicate"), 2 * reach + 1, 1)[0, 0]
