from __future__ import annotations

import torch
from torch import nn

from adain_core.training.optimization.averaging import average_weights, averaged_copy


def test_the_mean_follows_the_recursion():
    network = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    mean = averaged_copy(network)
    expected = network[0].weight.detach().clone()
    for step in range(1, 31):
        with torch.no_grad():
            network[0].weight += 1.0
        network[1](torch.randn(4, 1))
        average_weights(mean, network, 0.6, step)
        decay = min(0.6, step / (step + 10))
        expected = decay * expected + (1 - decay) * network[0].weight.detach()
    torch.testing.assert_close(mean[0].weight, expected)
    assert mean[1].num_batches_tracked == 30
    assert not any(weight.requires_grad for weight in mean.parameters())
    assert not mean.training
