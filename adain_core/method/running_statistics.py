"""Channel statistics of features that arrive in parts."""

from __future__ import annotations

import torch
from torch import Tensor

from .normalization import Statistics, check_not_empty, std_from_variance

# Places at a time on the CPU: 2 MB of features, which stay in the cache between mean and variance.
_CPU_CHUNK = 1024


class RunningStatistics:
    """Mean and standard deviation of every channel over all places added, as if they had been one map.

    Each part's mean and sum of squared deviations are computed in float32 and merged in float64 (Chan, Golub and
    LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979, eq. 2.1), weights in
    place of counts. A single part is not widened.
    """

    def __init__(self) -> None:
        self._parts: tuple[Tensor, Tensor, Tensor] | None = None
        self._device = torch.device("cpu")
        self._masked = False

    def add(self, x: Tensor, mask: Tensor | None = None) -> RunningStatistics:
        """Adds the places of features ``[B, C, H, W]``, weighted by a mask ``[B or 1, H, W]``; returns itself."""
        batch, channels, height, width = x.shape
        self._device, self._masked = x.device, self._masked or mask is not None
        places = x.permute(0, 2, 3, 1).reshape(batch, -1, channels)
        weights = None if mask is None else mask.to(x.device, torch.float32).reshape(mask.shape[0], -1, 1)
        step = _CPU_CHUNK if x.device.type == "cpu" else height * width
        for start in range(0, height * width, step):
            chunk = slice(start, start + step)
            part = places[:, chunk]
            part = part if part.dtype == torch.float64 else part.float()
            self._merge(*(_plain(part) if weights is None else _weighted(part, weights[:, chunk])))
        return self

    def statistics(self) -> Statistics:
        """Of all places so far, at least one, ``[B, C]`` each, float32, on the device of the features.

        Raises:
            AdaINError: the weights of a sample sum to 0.
        """
        assert self._parts is not None
        weight, mean, squares = self._parts
        if self._masked:  # only then is a value read on the host, which waits for the device
            check_not_empty(weight)
        std = std_from_variance(squares / weight)
        return Statistics(mean.to(self._device, torch.float32), std.to(self._device, torch.float32))

    def _merge(self, weight: Tensor, mean: Tensor, squares: Tensor) -> None:
        """Weight ``[B, 1]``, mean and weighted sum of squared deviations ``[B, C]`` of one more part."""
        if self._parts is not None:
            before, mean_before, squares_before = map(_widened, self._parts)
            weight, mean, squares = map(_widened, (weight, mean, squares))
            total = before + weight
            share = weight / total.clamp(min=torch.finfo(torch.float64).tiny)
            difference = mean - mean_before
            mean = mean_before + difference * share
            squares = squares_before + squares + difference.square() * before * share
            weight = total
        self._parts = weight, mean, squares


def _widened(x: Tensor) -> Tensor:
    """In float64; on the CPU if the device does not have that, as Apple's."""
    return (x.cpu() if x.device.type == "mps" else x).double()


def _plain(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    # Two passes in the cache: several times as fast as torch.var_mean over places.
    mean = x.mean(dim=1)
    return mean.new_full((x.shape[0], 1), x.shape[1]), mean, (x - mean[:, None]).square_().sum(dim=1)


def _weighted(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    weight = weights.sum(dim=1).expand(x.shape[0], 1)
    mean = (x * weights).sum(dim=1) / weight.clamp(min=torch.finfo(torch.float32).tiny)
    return weight, mean, ((x - mean[:, None]).square() * weights).sum(dim=1)
