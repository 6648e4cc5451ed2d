"""How much memory there is, and what fits into it."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_SHARE = 0.7  # of the free memory; the rest is for whatever else runs
_CGROUP = Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on a device: the GPU's, or the machine's within the process group's limit."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free = _available_ram()
    limit = _read_number(_CGROUP / "memory.max")
    used = _read_number(_CGROUP / "memory.current")
    if limit is None or used is None:
        return free
    # Files read a while ago count as used, but give way to whoever needs the memory.
    cached = _find_number(_CGROUP / "memory.stat", "inactive_file") or 0
    return min(free, max(limit - used + cached, 0))


def resident_memory() -> int:
    """Bytes of memory that this process occupies now; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def budget(device: torch.device) -> int:
    """Bytes a computation may use when nobody says otherwise."""
    return int(free_memory(device) * _SHARE)


def _available_ram() -> int:
    kilobytes = _find_number(Path("/proc/meminfo"), "MemAvailable:")
    # Systems without /proc: a modest guess keeps tiles small rather than the machine swapping.
    return 4 << 30 if kilobytes is None else kilobytes * 1024


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
