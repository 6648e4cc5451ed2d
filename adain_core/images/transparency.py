"""Colours where an image is transparent: nobody sees the file's own, so nothing may follow from them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..method.float64 import widened

BLOCK = 64  # pixels; from how far colours are taken, a power of 2


def mean_color(colour: Tensor, opacity: Tensor) -> Tensor:
    """The mean colour ``[1, 3, 1, 1]`` of ``[1, 3, H, W]`` weighted by opacity ``[1, 1, H, W]``, some of it above 0."""
    total = widened(opacity).sum()
    return (widened(colour * opacity).sum(dim=(2, 3), keepdim=True) / total).float().to(colour)


def fill(colour: Tensor, opacity: Tensor, rest: Tensor) -> Tensor:
    """Gives fully transparent pixels the colours near by; the others keep their own.

    So networks see no edge where the visible part ends. A pixel gets the mean colour of the smallest block around it,
    of 2, 4, .. `BLOCK` pixels a side, that has something visible. Blocks lie on a grid from the upper left: a part of
    an image that begins at multiples of `BLOCK` and ends there or with the image is filled as in the whole.

    Args:
        colour: ``[1, 3, H, W]``.
        opacity: ``[1, 1, H, W]`` 0..1.
        rest: ``[1, 3, 1, 1]``, for blocks of `BLOCK` pixels without anything visible.
    """
    if bool((opacity > 0).all()):
        return colour
    near = _near(_halved(colour * opacity), _halved(opacity), BLOCK // 2, rest)
    return torch.where(opacity > 0, colour, _doubled(near, colour))


def _near(premultiplied: Tensor, opacity: Tensor, blocks: int, rest: Tensor) -> Tensor:
    """The mean colour of each block, or of the block of this many blocks a side around it."""
    if blocks > 1:
        rest = _doubled(_near(_halved(premultiplied), _halved(opacity), blocks // 2, rest), premultiplied)
    return torch.where(opacity > 0, premultiplied / opacity.clamp(min=torch.finfo(opacity.dtype).tiny), rest)


def _halved(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def _doubled(x: Tensor, like: Tensor) -> Tensor:
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)[..., : like.shape[2], : like.shape[3]]
