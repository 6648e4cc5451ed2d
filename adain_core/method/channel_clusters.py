"""Clusters of feature channels that vary together: correlations over positions, then k-means over channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import AdaINError

_RESTARTS = 50
_ROUNDS = 200  # of Lloyd's iteration; it ends in fewer


class RunningCorrelations:
    """Correlations of every channel with every other, over the positions of all features added."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = self._products = torch.zeros(())

    def add(self, x: Tensor) -> RunningCorrelations:
        """Adds features ``[B, C, H, W]``; returns itself."""
        positions = x.movedim(1, 3).reshape(-1, x.shape[1])
        first, second = positions.sum(dim=0, dtype=torch.float64), (positions.T @ positions).double()
        self._count += len(positions)
        self._sum, self._products = self._sum + first, self._products + second
        return self

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of every channel, ``[C]`` float64 each. Something must have been added."""
        mean = self._sum / self._count
        return mean, (self._products.diagonal() / self._count - mean.square()).clamp(min=0).sqrt()

    def correlations(self) -> Tensor:
        """``[C, C]`` float64, -1..1; 0 for a channel that never changes. Something must have been added."""
        mean, std = self.statistics()
        return _scaled(self._products / self._count - mean[:, None] * mean, std)


def without_common(correlations: Tensor) -> Tensor:
    """What is left of correlations when, at each position, the mean of all (standardized) channels is taken away.

    Where a picture has much contrast most channels are excited. That is common to all and tells none apart.

    Args:
        correlations: ``[C, C]``.

    Returns:
        Correlations ``[C, C]`` of what the channels do beyond it.
    """
    rest = correlations - correlations.mean(dim=0) - correlations.mean(dim=1, keepdim=True) + correlations.mean()
    return _scaled(rest, rest.diagonal().clamp(min=0).sqrt())


def responses(x: Tensor, mean: Tensor, std: Tensor, clusters: Sequence[Sequence[int]]) -> Tensor:
    """How much more than all channels on average a cluster's are excited, in standard deviations.

    Args:
        x: features ``[B, C, H, W]``.
        mean, std: of the channels, ``[C]`` each, above 0.
        clusters: the channels of each.

    Returns:
        ``[B, K, H, W]`` for K clusters.
    """
    standardized = (x - mean.to(x)[:, None, None]) / std.to(x)[:, None, None]
    own = torch.stack([standardized[:, list(channels)].mean(dim=1) for channels in clusters], 1)
    return own - standardized.mean(dim=1, keepdim=True)


def _scaled(covariance: Tensor, std: Tensor) -> Tensor:
    scale = torch.where(std > 0, 1 / std, 0.0)
    return covariance * scale[:, None] * scale


def k_means(points: Tensor, count: int, seed: int = 0) -> Tensor:
    """The best of 50 runs of Lloyd's iteration, each begun by k-means++ (Arthur and Vassilvitskii, 2007).

    Args:
        points: ``[N, D]``.
        count: how many clusters, 1..N.
        seed: decides where the runs begin.

    Returns:
        Of each point its cluster, int64 ``[N]``, 0..count-1, the largest cluster first.

    Raises:
        AdaINError: another count.
    """
    if not 1 <= count <= len(points):
        raise AdaINError(f"clusters: expected a number from 1 to {len(points)}, found {count}")
    generator = torch.Generator().manual_seed(seed)
    labels = min((_run(points, count, generator) for _ in range(_RESTARTS)), key=lambda found: found[0])[1]
    order = labels.bincount(minlength=count).argsort(descending=True, stable=True)
    return order.argsort()[labels]


def _run(points: Tensor, count: int, generator: torch.Generator) -> tuple[float, Tensor]:
    """One run: the sum of squared distances to the clusters' means, and the clusters."""
    centres = _spread_out(points, count, generator)
    labels = torch.full((len(points),), -1)
    for _ in range(_ROUNDS):
        distances = torch.cdist(points, centres)
        nearest = distances.argmin(dim=1)
        if torch.equal(nearest, labels):
            break
        labels = nearest
        for k in range(count):
            own = points[labels == k]
            # A cluster that has lost its points begins again at the point farthest from its centre.
            centres[k] = own.mean(dim=0) if len(own) else points[distances.amin(dim=1).argmax()]
    return float((points - centres[labels]).square().sum()), labels


def _spread_out(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """k-means++: points drawn in proportion to their squared distance from those drawn before."""
    chosen = [int(torch.randint(len(points), (1,), generator=generator))]
    while len(chosen) < count:
        nearest = torch.cdist(points, points[chosen]).amin(dim=1).square()
        weights = nearest if bool(nearest.sum() > 0) else torch.ones_like(nearest)
        chosen.append(int(torch.multinomial(weights, 1, generator=generator)))
    return points[chosen].clone()
