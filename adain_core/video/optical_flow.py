"""Optical flow between frames, and images carried along it.

The flow is that of Farneback, "Two-Frame Motion Estimation Based on Polynomial Expansion", SCIA 2003. Around each pixel
both frames are approximated by a quadratic polynomial, ``x'Ax + b'x + c``. Moving a picture by d leaves its A as it is
and makes ``b - 2Ad`` of its b: so from A and the difference of the b follows d, most reliably for a neighbourhood as a
whole. That is done at coarse sizes first, and finer ones start from what they found.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

_LEVELS = 255  # of brightness, in which `_FLAT` counts
_SIZES, _SMALLEST = 5, 32  # each half as large as the one before; the shorter side, pixels, at the coarsest
_REACH, _DEVIATION = 5, 1.1  # pixels: the neighbourhood that a polynomial is fitted to, and how its weights fall off
_NEAR = 7  # pixels each way: the neighbourhood that moves as a whole, 15 by 15
_STEPS = 3  # at each size
_FLAT = 1e-3  # added to a determinant: where nothing is to be seen nothing moves


def optical_flow(start: Tensor, end: Tensor) -> Tensor:
    """Where each pixel of one frame is in another.

    Args:
        start, end: frames ``[1, 3, H, W]`` RGB 0..1.

    Returns:
        Displacements ``[1, 2, H, W]`` in pixels, x then y: the pixel of `start` at p is that of `end` at ``p + flow``.
    """
    return flow_both_ways(start, end)[0]


def flow_both_ways(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """The flow from one frame to another, and the one back, each as of `optical_flow`."""
    pair = torch.cat([_brightness(start), _brightness(end)])
    height, width = pair.shape[2:]
    sizes = [(height, width)]
    while len(sizes) < _SIZES and min(height, width) >= _SMALLEST << len(sizes):
        sizes.append((round(height / 2 ** len(sizes)), round(width / 2 ** len(sizes))))
    flow = pair.new_zeros(2, 2, *sizes[-1])
    for size in reversed(sizes):
        seen = _expansion(F.interpolate(pair, size, mode="bilinear", antialias=True))
        if flow.shape[2:] != size:
            scale = flow.new_tensor([size[1] / flow.shape[3], size[0] / flow.shape[2]])[:, None, None]
            flow = F.interpolate(flow * scale, size, mode="bilinear")
        trust = _inner(size).to(flow)
        for _ in range(_STEPS):
            flow = _improved(seen, seen.flip(0), flow, trust)
    return flow[:1], flow[1:]


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """``out(p) = image(p + flow(p))``; beyond the border its last pixel repeats.

    Args:
        image: ``[B, C, H, W]``.
        flow: ``[B, 2, H, W]`` in pixels, x then y.
        mode: ``bilinear`` or ``bicubic``, the latter sharper, with overshoot at edges.
    """
    height, width = image.shape[2:]
    scale = torch.tensor([2 / width, 2 / height], device=flow.device)[:, None, None]
    where = ((_positions(flow) + flow + 0.5) * scale - 1).permute(0, 2, 3, 1)
    return F.grid_sample(image, where.to(image), mode=mode, padding_mode="border", align_corners=False)


def consistent(flow: Tensor, back: Tensor) -> Tensor:
    """Where a flow can be trusted: the flow back returns to where it started, and both stay inside the frame.

    ``|w + w'|^2 < 0.01 (|w|^2 + |w'|^2) + 0.5`` with w' the flow back, taken where w leads to (Sundaram, Brox and
    Keutzer, "Dense Point Trajectories by GPU-Accelerated Large Displacement Optical Flow", ECCV 2010, eq. 5).

    Args:
        flow, back: ``[1, 2, H, W]`` in pixels.

    Returns:
        ``[1, 1, H, W]``, 0 or 1.
    """
    returned = warp(back, flow)
    error, length = (flow + returned).square(), flow.square() + returned.square()
    closed = error.sum(dim=1, keepdim=True) < 0.01 * length.sum(dim=1, keepdim=True) + 0.5
    return (closed & _inside(flow)).float()


def _expansion(brightness: Tensor) -> Tensor:
    """The polynomial around each pixel, fitted with weights that fall off as a Gaussian; c is not needed.

    Args:
        brightness: ``[B, 1, H, W]``.

    Returns:
        ``[B, 5, H, W]``: b's x and y; A's xx, yy and xy.
    """
    basis, solution = _fit()
    padded = F.pad(brightness, [_REACH] * 4, mode="replicate")
    columns = F.conv2d(padded, basis[:, None, :, None].to(padded))
    moments = F.conv2d(columns, basis.repeat(3, 1)[:, None, None, :].to(padded), groups=3)  # of y^i x^j: 3 i + j
    return F.conv2d(moments, solution[:, :, None, None].to(padded))


@functools.cache
def _fit() -> tuple[Tensor, Tensor]:
    """The weighted powers ``g, xg, x^2 g`` of a pixel's distance, ``[3, 2 r + 1]``, and what makes polynomials of them.

    The latter, ``[5, 9]``, is the inverse of the normal equations, the same for each pixel.
    """
    x = torch.arange(-_REACH, _REACH + 1, dtype=torch.float64)
    weights = torch.exp(-(x**2) / (2 * _DEVIATION**2))
    weights /= weights.sum()
    powers = torch.stack([x**k for k in range(3)])
    both = torch.stack([i[:, None] * j for i in powers for j in powers]).flatten(1)  # y^i x^j
    fitted = both[[1, 3, 2, 6, 4, 0]]  # x, y, xx, yy, xy, 1
    normal = (fitted * torch.outer(weights, weights).flatten()) @ fitted.T
    inverse = torch.linalg.inv(normal)[:5]
    inverse[4] /= 2  # A is symmetric: half of xy's coefficient stands in it twice
    solution = torch.zeros(5, 9, dtype=torch.float64)
    solution[:, [1, 3, 2, 6, 4, 0]] = inverse
    return (powers * weights).float(), solution.float()


def _improved(one: Tensor, other: Tensor, flow: Tensor, trust: Tensor) -> Tensor:
    """A flow that explains the other frame's polynomials better.

    Args:
        one, other: as of `_expansion`, ``[B, 5, H, W]``.
        flow: so far, ``[B, 2, H, W]``.
        trust: in each pixel's polynomials, ``[H, W]``.
    """
    moved = torch.where(_inside(flow), warp(other, flow), one)  # what left the picture moves as its neighbourhood does
    xx, yy, xy = ((one[:, 2:] + moved[:, 2:]) / 2).unbind(1)
    x, y = ((one[:, :2] - moved[:, :2]) / 2).unbind(1)
    u, v = flow.unbind(1)
    x, y = x + xx * u + xy * v, y + xy * u + yy * v
    # The normal equations of A d = (x, y), summed up over the neighbourhood.
    sums = torch.stack([xx * xx + xy * xy, (xx + yy) * xy, yy * yy + xy * xy, xx * x + xy * y, xy * x + yy * y])
    a, b, c, x, y = (_mean_nearby(part * trust) for part in sums.unbind(0))
    return torch.stack([c * x - b * y, a * y - b * x], dim=1) / (a * c - b * b + _FLAT)[:, None]


def _mean_nearby(x: Tensor) -> Tensor:
    """The mean over a neighbourhood of `_NEAR` pixels each way, ``[B, H, W]``; beyond the border its pixels repeat."""
    x = F.pad(x, [_NEAR] * 4, mode="replicate")
    for dim in (1, 2):
        # The sum of 15 as those of 8, 4, 2 and 1, each of the one before: exact, and in few passes.
        length, total, start, sums = x.shape[dim] - 2 * _NEAR, None, 0, x
        for width in (1, 2, 4, 8):
            if width > 1:
                sums = sums.narrow(dim, 0, sums.shape[dim] - width // 2) + sums.narrow(
                    dim, width // 2, sums.shape[dim] - width // 2
                )
            part = sums.narrow(dim, start, length)
            total, start = part if total is None else total + part, start + width
        assert total is not None
        x = total / (2 * _NEAR + 1)
    return x


def _inner(size: tuple[int, int]) -> Tensor:
    """Trust in polynomials, ``[H, W]``: less where their neighbourhood ends at the border."""
    rows, columns = (
        ((torch.minimum(torch.arange(side), torch.arange(side).flip(0)) + 0.5) / _REACH).clamp(max=1) for side in size
    )
    return rows[:, None] * columns


def _inside(flow: Tensor) -> Tensor:
    """Which pixels stay inside the frame, by half of each at least, ``[B, 1, H, W]``."""
    target = _positions(flow) + flow
    end = torch.tensor([flow.shape[3] - 0.5, flow.shape[2] - 0.5], device=flow.device)[:, None, None]
    return ((target >= -0.5) & (target <= end)).all(dim=1, keepdim=True)


def _positions(flow: Tensor) -> Tensor:
    """``[2, H, W]``: x and y of each pixel."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device), torch.arange(width, device=flow.device), indexing="ij"
    )
    return torch.stack([x, y]).to(flow.dtype)


def _brightness(frame: Tensor) -> Tensor:
    """ITU-R BT.601 luminance ``[1, 1, H, W]`` in levels."""
    weights = frame.new_tensor([0.299, 0.587, 0.114]).float() * _LEVELS
    return (frame.float() * weights[:, None, None]).sum(dim=1, keepdim=True)
