"""How much memory there is, and what fits into it."""

from __future__ import annotations

from pathlib import Path

import torch

from .tiling import HALO, MIN_TILE_SIZE
from .vgg import STRIDE

# Peak of encoder or decoder beside its input and output, per pixel of the tile: three maps of 64 channels in float32
# (a convolution's input, padded input and output) and what the allocator keeps. Measured in benchmarks/.
BYTES_PER_PIXEL = 1000
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
    return free if limit is None or used is None else min(free, max(limit - used, 0))


def working_memory(pixels: int, bytes_per_value: int = 4) -> int:
    """Bytes that encoding or decoding that many pixels at once needs beside images and features."""
    return pixels * BYTES_PER_PIXEL * bytes_per_value // 4


def automatic_tile_size(height: int, width: int, available: int, bytes_per_value: int = 4) -> int:
    """The largest tile size whose working memory fits; 0 when the whole image does.

    Args:
        height, width: of the image, in pixels.
        available: bytes to stay below.
        bytes_per_value: 4 for float32, 2 for half precision.
    """
    if working_memory(height * width, bytes_per_value) <= available:
        return 0
    halo = 2 * HALO * STRIDE
    side = int((available / working_memory(1, bytes_per_value)) ** 0.5) - halo
    return max(side // STRIDE * STRIDE, MIN_TILE_SIZE)


def budget(device: torch.device) -> int:
    """Bytes a computation may use when nobody says otherwise."""
    return int(free_memory(device) * _SHARE)


def _available_ram() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 << 30  # systems without /proc: a modest guess keeps tiles small rather than the machine swapping


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
