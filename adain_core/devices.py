"""Which device to compute on."""

from __future__ import annotations

import torch

from .errors import AdaINError


def best_device() -> torch.device:
    """CUDA when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def parse_device(name: str | torch.device | None) -> torch.device:
    """``None`` or ``auto``: `best_device`; else the device of that name, AdaINError when it cannot be used."""
    if name is None or name == "auto":
        return best_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise AdaINError(
            f"device: expected auto, cpu, cuda or cuda:N that works here, found {name!r} ({reason})"
        ) from None
    return device
