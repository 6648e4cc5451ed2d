from __future__ import annotations

import numpy as np
import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.method.channel_clusters import RunningCorrelations, k_means, responses, without_common


def test_correlations_of_parts_are_numpys_of_all():
    x = torch.randn(3, 6, 5, 7) * torch.arange(1.0, 7).view(6, 1, 1) + 3
    x[:, 1] = 0.5 * x[:, 0] + 0.1 * x[:, 1]
    x[:, 5] = 2
    running = RunningCorrelations()
    for part in (x[:1], x[1:, :, :2], x[1:, :, 2:]):
        running.add(part)
    found = running.correlations()
    expected = np.corrcoef(x[:, :5].movedim(1, 0).reshape(5, -1).double().numpy())
    torch.testing.assert_close(found[:5, :5], torch.from_numpy(expected), atol=1e-5, rtol=0)
    assert not found[5].any()


def test_what_is_common_to_all_channels_is_taken_away():
    """Against the correlations of values from which each position's mean was taken before."""
    common = 5 * torch.randn(1, 1, 40, 40, dtype=torch.float64)
    x = torch.randn(1, 12, 40, 40, dtype=torch.float64) + common
    running = RunningCorrelations().add(x)
    mean, std = running.statistics()
    standardized = (x - mean[:, None, None]) / std[:, None, None]
    expected = RunningCorrelations().add(standardized - standardized.mean(dim=1, keepdim=True)).correlations()
    torch.testing.assert_close(without_common(running.correlations()), expected, atol=1e-9, rtol=0)


def test_responses():
    x = torch.rand(2, 4, 3, 5)
    mean, std = torch.rand(4), torch.rand(4) + 0.5
    z = (x - mean.view(4, 1, 1)) / std.view(4, 1, 1)
    found = responses(x, mean, std, [(0, 3), (1,)])
    torch.testing.assert_close(found[:, 0], (z[:, 0] + z[:, 3]) / 2 - z.mean(1))
    torch.testing.assert_close(found[:, 1], z[:, 1] - z.mean(1))


def test_k_means_finds_what_is_apart():
    """Blobs far from each other; the largest is cluster 0."""
    sizes, centres = (5, 20, 9), torch.eye(3, 4) * 50
    points = torch.cat([torch.randn(n, 4) + centre for n, centre in zip(sizes, centres, strict=True)])
    truth = torch.arange(3).repeat_interleave(torch.tensor(sizes))
    order = torch.randperm(34)
    labels = k_means(points[order], 3)
    assert labels.tolist() == torch.tensor([2, 0, 1])[truth[order]].tolist()
    assert torch.equal(k_means(points[order], 3), labels)


def test_k_means_is_no_worse_than_moving_a_point():
    points = torch.randn(60, 3)
    labels = k_means(points, 5)

    def spread(labels):
        return sum((points[labels == k] - points[labels == k].mean(dim=0)).square().sum() for k in range(5))

    assert labels.bincount().min() >= 1
    best = spread(labels)
    distances = torch.cdist(points, torch.stack([points[labels == k].mean(dim=0) for k in range(5)]))
    assert torch.equal(distances.argmin(dim=1), labels)
    assert all(spread(torch.randint(5, (60,))) > best for _ in range(20))


def test_as_many_clusters_as_points_and_too_many():
    points = torch.zeros(3, 2)
    points[1] = 1
    assert k_means(points, 1).tolist() == [0, 0, 0]
    assert sorted(k_means(torch.randn(4, 2), 4).tolist()) == [0, 1, 2, 3]
    with pytest.raises(AdaINError, match="clusters: expected a number from 1 to 3, found 4"):
        k_means(points, 4)
