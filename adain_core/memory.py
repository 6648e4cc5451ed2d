"""How much memory there is, and what fits into it."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import torch

from .errors import AdaINError
from .tiling import HALO, MIN_TILE_SIZE
from .vgg import STRIDE

# Peak of encoder or decoder beside its input, per pixel of the tile, in float32: the first block's pooled output, 64
# bytes, and what it becomes, 32. Above it all the bands of `adain_core.bands` and Winograd's kernels, which do not grow
# with the tile.
BYTES_PER_PIXEL = 100
BAND_BYTES = 400 << 20
# The same and the image as bytes and floats, its features before and after AdaIN, and the result.
WHOLE_BYTES_PER_PIXEL = 220
# An image as a whole, from a file and to one: its bytes twice, and as floats itself, its result and a step in between.
PICTURE_BYTES_PER_PIXEL = 64
# Encoder or decoder by the modules' own forward, whose maps are whole: three of 64 channels (a convolution's input,
# padded input and output) and what the allocator keeps. With gradients that many for each layer.
PLAIN_BYTES_PER_PIXEL = 1000
_SHARE = 0.7  # of the free memory; the rest is for whatever else runs
_AMOUNT = re.compile(r"(\d+\.?\d*)\s*(?:([KMGT])?(?:I?B)?)")
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


def working_memory(pixels: int, bytes_per_value: int = 4) -> int:
    """Bytes that encoding or decoding that many pixels at once needs beside images and features."""
    return BAND_BYTES + pixels * BYTES_PER_PIXEL * bytes_per_value // 4


def plain_memory(pixels: int) -> int:
    """Bytes of one pass of that many pixels through a module's own ``forward``, as in training, in float32."""
    return pixels * PLAIN_BYTES_PER_PIXEL


def whole_memory(pixels: int) -> int:
    """Bytes that stylizing an image of that many pixels at once needs in all, from file to file."""
    return BAND_BYTES + pixels * WHOLE_BYTES_PER_PIXEL


def picture_memory(pixels: int) -> int:
    """Bytes that reading an image file of that many pixels as a whole, and writing a result of that size, needs."""
    return pixels * PICTURE_BYTES_PER_PIXEL


def pixels_in(available: int, bytes_per_value: int = 4) -> int:
    """How many pixels can be worked on at once in that memory: the inverse of `working_memory`, at least 0."""
    return max(available - BAND_BYTES, 0) * 4 // (BYTES_PER_PIXEL * bytes_per_value)


def automatic_tile_size(height: int, width: int, available: int, bytes_per_value: int = 4) -> int:
    """The largest tile size whose working memory fits; 0 when the whole image does.

    Args:
        height, width: of the image, in pixels.
        available: bytes to stay below.
        bytes_per_value: 4 for float32, 2 for half precision.
    """
    pixels = pixels_in(available, bytes_per_value)
    return 0 if height * width <= pixels else square_tile(pixels)


def square_tile(pixels: int) -> int:
    """The largest tile size that has at most that many pixels with its halo, a multiple of 8; never below 64."""
    return max((math.isqrt(pixels) - 2 * HALO * STRIDE) // STRIDE * STRIDE, MIN_TILE_SIZE)


def parse_bytes(text: str) -> int:
    """Bytes from ``2G``, ``1.5GiB``, ``512M`` or a plain number; units are powers of 1024.

    Raises:
        AdaINError: anything else.
    """
    match = _AMOUNT.fullmatch(text.strip().upper())
    if not match:
        raise AdaINError(f"memory: expected an amount such as 2G or 512M, found {text!r}")
    number, unit = match.groups()
    return int(float(number) * 1024 ** " KMGT".index(unit or " "))


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
