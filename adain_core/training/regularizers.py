"""Regularizers for short trainings.

Without them a decoder matches style statistics with wrong colours or values out of range. Each is a mean over the
samples of the batch, computed in float32 (float64 for float64 input).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..method.losses import style_loss
from ..method.normalization import at_least_float32, channel_statistics

_CELL = 8  # pixels: the stride of the encoders
_CELLS = 4  # on each side of the window that `grid_loss` averages over


def reconstruction_loss(output: Tensor, target: Tensor, samples: Tensor) -> Tensor:
    """``sum_{i in samples} mean((x_i - y_i)^2) / B``: how far the chosen samples are from their targets.

    With content = style AdaIN changes nothing, so the decoder must give the photo back.

    Args:
        output, target: images or features ``[B, C, H, W]``.
        samples: indices of those that count, int64, none to all of them. The sum is divided by B and not by their
            number, so that it stays a mean over the batch however the batch is split.
    """
    chosen = _Samples.apply(output, samples)
    return (at_least_float32(chosen) - at_least_float32(target[samples])).square().sum() / output.numel()


def range_loss(output: Tensor) -> Tensor:
    """``mean(max(-x, 0)^2 + max(x - 1, 0)^2)``: what clamping to 0..1 would cut off. ``output``: images."""
    output = at_least_float32(output)
    return (output - output.clamp(0, 1)).square().mean()


def color_loss(output: Tensor, style: Tensor) -> Tensor:
    """The style loss on the pixels themselves: mean and standard deviation of R, G and B.

    Args:
        output: images ``[B, 3, H, W]``.
        style: style images ``[B, 3, h, w]``.
    """
    return style_loss([output], [channel_statistics(style)])


def grid_loss(output: Tensor) -> Tensor:
    """What repeats with the networks' own period of 8 pixels: the weave that upsampling leaves.

    The picture less its means over 3x3 pixels, averaged over the same place of 4x4 neighbouring cells of 8x8 pixels;
    the mean square of that. Texture that does not repeat averages out.

    Args:
        output: images ``[B, 3, H, W]``; what is beyond a multiple of 8 pixels is left out. Below 32 pixels there are
            fewer cells to average over.
    """
    output = at_least_float32(output)
    height, width = (side // _CELL * _CELL for side in output.shape[2:])
    fine = output - F.avg_pool2d(F.pad(output, (1, 1, 1, 1), mode="replicate"), 3, 1)
    places = F.pixel_unshuffle(fine[..., :height, :width], _CELL)
    window = min(_CELLS, height // _CELL, width // _CELL)
    return F.avg_pool2d(places, window, max(window // 2, 1)).square().mean()


def anchor_loss(output: Tensor, anchor: Tensor, samples: Tensor) -> Tensor:
    """`reconstruction_loss` of the means over 8x8 pixels: colours in the large stay those of the anchor.

    Args:
        output: images ``[B, 3, H, W]``.
        anchor: what a frozen decoder made of the same features.
        samples: as in `reconstruction_loss`.
    """
    return reconstruction_loss(
        F.avg_pool2d(at_least_float32(output), 8), F.avg_pool2d(at_least_float32(anchor).clamp(0, 1), 8), samples
    )


class _Samples(torch.autograd.Function):
    """``x[samples]`` with a gradient in the layout of x: the gradient of indexing is slow to add to others."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, samples: Tensor) -> Tensor:
        ctx.save_for_backward(x, samples)
        return x[samples]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, samples = ctx.saved_tensors
        whole = torch.zeros_like(x)
        whole[samples] = gradient
        return whole, None
