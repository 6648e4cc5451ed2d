"""How much memory there is, and what a lack of it looks like."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

_SHARE = 0.7  # of the free memory; the rest is for whatever else runs
_CGROUP = Path("/sys/fs/cgroup")
# What the CPU's allocator, Apple's, and NVIDIA's libraries without room for their work say, in a plain RuntimeError.
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "not enough memory",
    "_STATUS_ALLOC_FAILED",
    "unable to find an engine",
)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on a device: the GPU's, or the machine's within the process group's limit."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    free = int(psutil.virtual_memory().available)
    limit = _read_number(_CGROUP / "memory.max")
    used = _read_number(_CGROUP / "memory.current")
    if limit is None or used is None:
        return free
    # Files read a while ago count as used, but give way to whoever needs the memory.
    cached = _find_number(_CGROUP / "memory.stat", "inactive_file") or 0
    return min(free, max(limit - used + cached, 0))


def resident_memory() -> int:
    """Bytes of memory that this process occupies now."""
    return int(psutil.Process().memory_info().rss)


def budget(device: torch.device) -> int:
    """Bytes a computation may use when nobody says otherwise."""
    return int(free_memory(device) * _SHARE)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception means that a device's memory, or the machine's, is used up."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY)


def free_cache() -> None:
    """Gives the allocator's unused memory back after an out-of-memory error."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _find_number(path: Path, name: str) -> int | None:
    """The number after a name in a file of such lines; None without it."""
    try:
        return next((int(line.split()[1]) for line in path.read_text().splitlines() if line.split()[0] == name), None)
    except (OSError, ValueError, IndexError):
        return None
