"""float64 where a device has it, else on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

_known: list[Callable[[torch.device], bool]] = []


def widened(x: Tensor) -> Tensor:
    """In float64; on the CPU where its device has none, as GPUs of Apple and many of Intel."""
    return (x if has_float64(x.device) else x.cpu()).double()


def has_float64(device: torch.device) -> bool:
    """Whether a device computes in float64."""
    if device.type in ("cpu", "cuda", "meta"):
        return True
    return all(answer(device) for answer in _known) and _tried(device)


def ask(answer: Callable[[torch.device], bool]) -> None:
    """Has `has_float64` ask a host that knows its devices, too: what it denies is not tried."""
    _known.append(answer)


@cache
def _tried(device: torch.device) -> bool:
    try:
        one = torch.ones(1, dtype=torch.float64, device=device)
        return bool(one + one == 2)
    except (RuntimeError, TypeError):
        return False
