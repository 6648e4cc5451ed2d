"""Channel statistics of features that arrive in parts."""

from __future__ import annotations

import torch
from torch import Tensor

from .float64 import widened
from .normalization import Statistics, check_not_empty, std_from_variance

# Positions at a time on the CPU: 2 MB of features, which stay in the cache between mean and variance.
_CPU_CHUNK = 1024


class RunningStatistics:
    """Mean and standard deviation of every channel over all parts added, as if they were one feature map.

    Each part's mean and sum of squared deviations are computed in float32 and merged in float64 (Chan, Golub and
    LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979, eq. 2.1, with weights
    instead of counts). A single part stays in float32.
    """

    def __init__(self) -> None:
        self._parts: tuple[Tensor, Tensor, Tensor] | None = None
        self._device = torch.device("cpu")
        self._masked = False

    def add(self, x: Tensor, mask: Tensor | None = None) -> RunningStatistics:
        """Adds features ``[B, C, H, W]``, weighted by a mask ``[B or 1, H, W]``; returns itself."""
        batch, channels, height, width = x.shape
        self._device, self._masked = x.device, self._masked or mask is not None
        positions = x.permute(0, 2, 3, 1).reshape(batch, -1, channels)
        weights = None if mask is None else mask.to(x.device, torch.float32).reshape(mask.shape[0], -1, 1)
        length = _CPU_CHUNK if x.device.type == "cpu" else height * width
        for start in range(0, height * width, length):
            chunk = slice(start, start + length)
            part = positions[:, chunk]
            part = part if part.dtype == torch.float64 else part.float()
            self._merge(*(_plain(part) if weights is None else _weighted(part, weights[:, chunk])))
        return self

    def statistics(self) -> Statistics:
        """The statistics of everything added, ``[B, C]`` each, float32, on the features' device.

        Something must have been added.

        Raises:
            AdaINError: the weights of a sample sum to 0.
        """
        assert self._parts is not None
        weight, mean, squares = self._parts
        if self._masked:  # the check waits for the device: not without need
            check_not_empty(weight)
        std = std_from_variance(squares / weight)
        return Statistics(mean.float().to(self._device), std.float().to(self._device))

    def _merge(self, weight: Tensor, mean: Tensor, squares: Tensor) -> None:
        """Merges one more part: its weight ``[B, 1]``, mean and weighted sum of squared deviations ``[B, C]``."""
        if self._parts is not None:
            before, mean_before, squares_before = map(widened, self._parts)
            weight, mean, squares = map(widened, (weight, mean, squares))
            total = before + weight
            share = weight / total.clamp(min=torch.finfo(torch.float64).tiny)
            difference = mean - mean_before
            mean = mean_before + difference * share
            squares = squares_before + squares + difference.square() * before * share
            weight = total
        self._parts = weight, mean, squares


def _plain(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weight, mean and sum of squared deviations over the positions of ``[B, N, C]``."""
    # Two passes in the cache: several times as fast as torch.var_mean over positions.
    mean = x.mean(dim=1)
    return mean.new_full((x.shape[0], 1), x.shape[1]), mean, (x - mean[:, None]).square_().sum(dim=1)


def _weighted(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `_plain`, of positions with weights ``[B or 1, N, 1]``."""
    weight = weights.sum(dim=1).expand(x.shape[0], 1)
    mean = (x * weights).sum(dim=1) / weight.clamp(min=torch.finfo(torch.float32).tiny)
    return weight, mean, ((x - mean[:, None]).square() * weights).sum(dim=1)
