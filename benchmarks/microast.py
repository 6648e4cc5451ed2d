"""MicroAST (Wang et al., AAAI 2023), for comparison: its own code and weights, from a clone of EndyWon/MicroAST."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

_PARTS = ("content_encoder", "style_encoder", "modulator", "decoder")
_STEPS = 160_000


def microast(folder: str | Path) -> Callable[[Tensor, Tensor], Tensor]:
    """Content and style ``[1, 3, H, W]`` RGB 0..1 to the stylized image, on the CPU, as its ``test_microAST.py`` does.

    Args:
        folder: the clone.
    """
    sys.path.insert(0, str(folder))  # its modules import each other
    net = importlib.import_module("net_microAST")
    parts = [net.Encoder(), net.Encoder(), net.Modulator(), net.Decoder()]
    for part, name in zip(parts, _PARTS, strict=True):
        file = Path(folder) / "models" / f"{name}_iter_{_STEPS}.pth.tar"
        part.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        part.eval().requires_grad_(False)
    network = net.TestNet(*parts)
    return lambda content, style: network(content, style, 1.0).clamp(0, 1)
