"""The optimizers of a training: Adam as in the paper, or Muon."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...models.decoder import Decoder
from .muon import Muon

# Under Muon, Adam's learning rate for biases and the last layer, and its betas: found by trial with Muon's at 0.001.
_BESIDE_MUON, _BETAS_BESIDE_MUON = 0.3, (0.9, 0.99)


def make_optimizers(decoder: Decoder, kind: str) -> list[torch.optim.Optimizer]:
    """Adam alone, or Muon for the kernels and Adam for the last layer and everything that is no kernel.

    Args:
        decoder: whose parameters to train.
        kind: ``adam`` or ``muon``.
    """
    if kind == "adam":
        return [torch.optim.Adam([{"params": list(decoder.parameters()), "share": 1.0}])]
    kernels = [convolution.weight for convolution in list(decoder.c)[:-1]]
    chosen = {id(weight) for weight in kernels}
    others = [weight for weight in decoder.parameters() if id(weight) not in chosen]
    return [
        Muon([{"params": kernels, "share": 1.0}]),
        torch.optim.Adam([{"params": others, "share": _BESIDE_MUON}], betas=_BETAS_BESIDE_MUON),
    ]


def set_learning_rate(optimizers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    """Gives every group of parameters its share of the learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
