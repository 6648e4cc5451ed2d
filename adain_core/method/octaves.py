"""A gradient made equally strong at six scales."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

OCTAVES = 6  # from single pixels to 32x32 of them
_TINY = 1e-30  # of a gradient; where there is none the image stays


def octaves(image: Tensor, count: int = OCTAVES) -> list[Tensor]:
    """The means over 1x1, 2x2, 4x4, ... 32x32 pixels; ``[B, C, H, W]`` to ``[B, C, ceil(H/2^i), ceil(W/2^i)]``."""
    parts = [image]
    for _ in range(count - 1):
        parts.append(F.avg_pool2d(parts[-1], 2, ceil_mode=True, count_include_pad=False))
    return parts


def sum_of_octaves(parts: list[Tensor]) -> Tensor:
    """The parts of `octaves` enlarged to the size of the first, and added up."""
    total = parts[-1]
    for part in reversed(parts[:-1]):
        size = (part.shape[2], part.shape[3])
        total = F.interpolate(total, size, mode="bilinear", align_corners=False) + part
    return total


class OctaveDescent:
    """Gradient descent that corrects wrong colours over large areas as fast as wrong texture.

    Adam (Kingma and Ba, arXiv:1412.6980, algorithm 1) on the coefficients of a pyramid whose levels, enlarged, add up
    to the image, but with one second moment for a whole level instead of one for each coefficient: so that within a
    level the gradient keeps its shape, and pixels that hardly matter are left alone. A step is

        x <- x - step_size * sum_i up_i(down_i(m)) / sqrt(v_i)

    with m the mean of the gradients so far and v_i that of the mean squares of ``down_i(g)``, both decaying and
    corrected for their start at 0.

    Args:
        step_size: alpha, in units of the image.
        count: of the octaves; 1: the pixels alone.
        warmup: steps in which alpha rises to what it is.
        decay, square_decay: of the means, beta_1 and beta_2.
    """

    def __init__(
        self, step_size: float, count: int = OCTAVES, warmup: int = 1, decay: float = 0.8, square_decay: float = 0.99
    ) -> None:
        self._step_size, self._count, self._decay, self._square_decay = step_size, count, decay, square_decay
        self._warmup = warmup
        self._mean: Tensor | None = None
        self._squares = [0.0] * count
        self._steps = 0

    def step(self, image: Tensor, gradient: Tensor) -> None:
        """Changes an image ``[1, C, H, W]`` in place by one step down its gradient."""
        self._steps += 1
        if self._mean is None:
            self._mean = torch.zeros_like(gradient)
        self._mean.lerp_(gradient, 1 - self._decay)
        step_size = self._step_size * min(1.0, self._steps / self._warmup)
        directions = octaves(self._mean, self._count)
        for i, (direction, fresh) in enumerate(zip(directions, octaves(gradient, self._count), strict=True)):
            square = float(fresh.square().mean())
            self._squares[i] += (square - self._squares[i]) * (1 - self._square_decay)
            root = math.sqrt(self._squares[i] / (1 - self._square_decay**self._steps))
            scale = step_size / (1 - self._decay**self._steps) / max(root, _TINY)
            directions[i] = direction * scale
        image.sub_(sum_of_octaves(directions))
