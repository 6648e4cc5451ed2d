"""Chooses between two kernels for one convolution by measuring both on this machine.

Which one is faster depends on the processor, its libraries and the shape. Each class of shapes is measured once, on the
first input of its kind; the choice is kept for the process, and in a small file for later ones. Results differ by
rounding only. For runs that must agree to the bit on different machines set the environment variable ADAIN_KERNELS to
``direct``.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ...devices import cpu_capabilities
from ...errors import AdaINError, check_known
from ...files import write_json

log = logging.getLogger(__name__)

MODES = ("measured", "direct")
_VARIABLE = "ADAIN_KERNELS"
_REPEATS = 3
_GAIN = 1.05  # by which the other kernel must be faster than the direct one: less is noise

_lock = threading.Lock()
_known: dict[str, bool] = {}
_read: set[Path] = set()


def faster_than_direct(
    shape: tuple[int, ...], x: Tensor, direct: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor]
) -> bool:
    """Whether the other kernel is the faster one for this class of shapes.

    Args:
        shape: names the class, such as input channels, output channels and width.
        x: an input of that class, small: the kernels are run on it when the class is not known yet.
        direct, other: the kernels.

    Raises:
        AdaINError: ADAIN_KERNELS is neither ``measured`` nor ``direct``.
    """
    if kernel_mode() == "direct":
        return False
    key = f"{_machine()} {torch.get_num_threads()} threads, {' x '.join(map(str, shape))}"
    with _lock:
        file = cache_file()
        if file not in _read:
            _read.add(file)
            _known.update(_load(file))
        if key not in _known:
            _known[key] = _compared(x, direct, other) > _GAIN
            _save(file, key)
        return _known[key]


def prefer_direct_kernels() -> None:
    """Has this process use direct kernels, unless the environment variable ADAIN_KERNELS says otherwise.

    For results that must not depend on which machine made them, or on how busy it was.
    """
    os.environ.setdefault(_VARIABLE, "direct")


def kernel_mode() -> str:
    """``measured`` or ``direct``, as the environment variable ADAIN_KERNELS says; ``measured`` without it."""
    mode = os.environ.get(_VARIABLE, MODES[0])
    check_known(_VARIABLE, mode, MODES)
    return mode


def cache_file() -> Path:
    """Where measurements are kept, beside PyTorch's own downloads."""
    return Path(torch.hub.get_dir()).parent / "adain_kernels.json"


def _machine() -> str:
    capabilities = cpu_capabilities()
    processor = capabilities.get("cpu_name") or capabilities.get("architecture") or "processor"
    cache = capabilities.get("l2_cache_size", 0) >> 10
    instructions = torch.backends.cpu.get_cpu_capability()
    return f"{processor} {cache} KiB L2 {instructions}, PyTorch {torch.__version__},"


def _compared(x: Tensor, direct: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor]) -> float:
    """How many times as fast the other kernel is: their fastest runs, taken in turns, as other programs run, too."""
    kernels = (direct, other)
    best = [float("inf"), float("inf")]
    for _ in range(_REPEATS):
        for k, kernel in enumerate(kernels):
            start = time.perf_counter()
            kernel(x)
            best[k] = min(best[k], time.perf_counter() - start)
    return best[0] / best[1]


def _load(file: Path) -> dict[str, bool]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {str(key): bool(value) for key, value in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}  # measured anew


def _save(file: Path, key: str) -> None:
    try:
        write_json(file, _load(file) | {key: _known[key]})
    except (AdaINError, OSError) as error:
        log.debug("%s: not kept (%s)", file, error)
