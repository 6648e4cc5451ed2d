"""The optimizers of a training: Adam as in the paper, or Muon."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...models.decoder import Decoder
from ..light_pair import LightPair
from .muon import Muon

# Under Muon, Adam's learning rate for biases and the last layer, and its betas: found by trial with Muon's at 0.001.
_BESIDE_MUON, _BETAS_BESIDE_MUON = 0.3, (0.9, 0.99)
_LIGHT_BESIDE_MUON = 0.06  # of the light pair, with Muon's at 0.0035


def make_optimizers(network: Decoder | LightPair, kind: str) -> list[torch.optim.Optimizer]:
    """Adam alone, or Muon for the kernels and Adam for the last layer and everything that is no kernel.

    Args:
        network: whose parameters to train. Of the light pair, whose features have no scale of their own, kernels keep
            their norm.
        kind: ``adam`` or ``muon``.
    """
    if kind == "adam":
        return [torch.optim.Adam([{"params": list(network.parameters()), "share": 1.0}])]
    light = isinstance(network, LightPair)
    convolutions = [*network.encoder.c, *network.decoder.c] if isinstance(network, LightPair) else list(network.c)
    kernels = [convolution.weight for convolution in convolutions[:-1]]
    chosen = {id(weight) for weight in kernels}
    others = [weight for weight in network.parameters() if id(weight) not in chosen]
    share = _LIGHT_BESIDE_MUON if light else _BESIDE_MUON
    return [
        Muon([{"params": kernels, "share": 1.0}], keep_norm=light),
        torch.optim.Adam([{"params": others, "share": share}], betas=_BETAS_BESIDE_MUON),
    ]


def set_learning_rate(optimizers: Sequence[torch.optim.Optimizer], rate: float) -> None:
    """Gives every group of parameters its share of the learning rate."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
