"""Which device to compute on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .errors import AdaINError, check_known

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


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


def cpu_capabilities() -> Mapping[str, Any]:
    """What PyTorch knows of the processor by `torch.cpu.get_capabilities`; nothing where it is too old to tell."""
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}


def parse_precision(name: str, device: torch.device) -> torch.dtype:
    """The type to compute in; ``auto``: float16 on CUDA, whose tensor cores need it, and float32 elsewhere.

    Raises:
        AdaINError: a name that is not among `PRECISIONS`.
    """
    check_known("precision", name, PRECISIONS)
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype
