"""A running mean of the weights: what a low learning rate would leave, while it is still high."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)

_FIRST_STEPS = 10  # after n steps the mean is over some n / 10 of them, as long as that is fewer than asked for


def averaged_copy(network: M) -> M:
    """A copy to keep the mean in, in evaluation mode, without gradients."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def average_weights(mean: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """``mean = d * mean + (1 - d) * weights``: the exponential moving average (Polyak and Juditsky, 1992).

    Args:
        mean: of `averaged_copy`, changed in place.
        network: the network in training.
        decay: d; the mean is over some ``1 / (1 - decay)`` steps.
        step: steps done. The first ones count more, or the weights at the start would stay in the mean for long.
    """
    share = 1 - min(decay, step / (step + _FIRST_STEPS))
    for kept, new in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, share)
        else:
            kept.copy_(new)  # how many batches a batch normalization has seen
