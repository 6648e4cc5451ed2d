"""3x3 convolutions with a quarter of the multiplications, as matrix products.

F(4x4, 3x3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, arXiv:1509.09308,
section 4.3: 36 products for 16 outputs of a channel pair instead of 144. Each transform is one matrix product with the
Kronecker product of the two one-dimensional ones, on as many tiles at a time as stay in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_KERNEL = 3
_OUT = 4  # a tile's side
_IN = _OUT + _KERNEL - 1
_WORK_BYTES = 4 << 20  # of transformed tiles at a time
# The points at which tile and kernel, as polynomials, are evaluated, beside infinity. With 0, 1, -1, 2, -2, as in the
# paper, rounding errors are 4 times as large: powers of these stay nearer to 1.
_POINTS = (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5))


def _transforms(points: Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
    """Of a tile, of the kernel and of the result, one-dimensional: ``[6, 6]``, ``[6, 3]``, ``[4, 6]``, float64.

    Toom and Cook: values of the polynomials at the points, multiplied, and Lagrange's interpolation, transposed.
    """
    given = torch.zeros(_IN, _IN, dtype=torch.float64)
    kernel, result = given.new_zeros(_IN, _KERNEL), given.new_zeros(_OUT, _IN)
    for k, point in enumerate(points):
        others = [other for other in points if other != point]
        given[k, : _IN - 1] = _coefficients(others)
        kernel[k] = point ** torch.arange(_KERNEL) / math.prod(point - other for other in others)
        result[:, k] = point ** torch.arange(_OUT)
    given[-1] = _coefficients(points)
    kernel[-1, -1] = result[-1, -1] = 1  # infinity
    return given, kernel, result


def _coefficients(roots: Sequence[float]) -> Tensor:
    """Of the polynomial with these roots, the constant first."""
    found = torch.ones(1, dtype=torch.float64)
    for root in roots:
        found = F.pad(found, (1, 0)) - root * F.pad(found, (0, 1))
    return found


_INPUT_2D, _KERNEL_2D, _OUTPUT_2D = (torch.kron(m, m).float() for m in _transforms(_POINTS))


def transform_kernel(weight: Tensor) -> Tensor:
    """A convolution's weight ``[O, I, 3, 3]`` for `convolve`: ``[36, I, O]``."""
    outputs, inputs = weight.shape[:2]
    taps = weight.permute(2, 3, 1, 0).reshape(_KERNEL * _KERNEL, -1)
    return (_KERNEL_2D @ taps).view(_IN * _IN, inputs, outputs)


def convolve(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Equal to ``conv2d`` without padding up to rounding, in float32 on the CPU, without gradients.

    Args:
        x: ``[B, I, H, W]``.
        kernel: from `transform_kernel`.
        bias: ``[O]``.

    Returns:
        ``[B, O, H-2, W-2]``, channels_last.
    """
    outputs = kernel.shape[2]
    batch, inputs, height, width = x.shape[0], x.shape[1], x.shape[2] - 2, x.shape[3] - 2
    down, across = -(-height // _OUT), -(-width // _OUT)
    x = F.pad(x, (0, across * _OUT - width, 0, down * _OUT - height)).contiguous(memory_format=torch.channels_last)
    sample, channel, row, column = x.stride()
    tiles = x.as_strided(
        (batch, _IN, _IN, down, across, inputs), (sample, row, column, _OUT * row, _OUT * column, channel)
    )
    out = x.new_empty(batch, down, _OUT, across, _OUT, outputs)
    widest = _IN * _IN * across * max(inputs, outputs)
    rows = min(max(_WORK_BYTES // (widest * x.element_size()), 1), down)
    ping, pong = x.new_empty(2, widest * rows)
    for k in range(batch):
        for top in range(0, down, rows):
            part = slice(top, min(top + rows, down))
            count = (part.stop - top) * across
            given = ping[: _IN * _IN * count * inputs].view(_IN * _IN, -1)
            given.view(_IN, _IN, -1, across, inputs).copy_(tiles[k, :, :, part])
            transformed = pong[: given.numel()].view_as(given)
            torch.mm(_INPUT_2D, given, out=transformed)
            product = ping[: _IN * _IN * count * outputs].view(_IN * _IN, count, outputs)
            torch.bmm(transformed.view(_IN * _IN, count, inputs), kernel, out=product)
            result = pong[: _OUT * _OUT * count * outputs].view(_OUT * _OUT, -1)
            torch.mm(_OUTPUT_2D, product.view(_IN * _IN, -1), out=result)
            result = result.view(_OUT, _OUT, -1, across, outputs)
            torch.add(result.permute(2, 0, 3, 1, 4), bias, out=out[k, part])
    out = out.view(batch, _OUT * down, _OUT * across, outputs)[:, :height, :width]
    return out.permute(0, 3, 1, 2)
