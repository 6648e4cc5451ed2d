"""What changes over a training: learning rate and crop size, each a function of the step alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from ...errors import AdaINError
from ...method.features import STRIDE

SCHEDULES = ("decay", "cosine", "constant")
SMALLEST_CROP = 16  # pixels


def learning_rate(
    step: int, base: float, schedule: str, steps: int, warmup: int = 0, decay: float = 5e-5, final: float = 0.0
) -> float:
    """The learning rate of one step.

    ``decay``: ``base / (1 + decay * step)``, as the authors train. ``cosine``: from ``base`` down to
    ``final * base`` over ``steps``. ``constant``: ``base``. During the first ``warmup`` steps times
    ``(step + 1) / warmup``.

    Args:
        step: from 0.
        steps: length of the whole training, for ``cosine``.
    """
    if schedule == "decay":
        factor = 1 / (1 + decay * step)
    elif schedule == "cosine":
        factor = final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))
    else:
        factor = 1.0
    return base * factor * (min((step + 1) / warmup, 1) if warmup else 1)


def crop_size(step: int, sizes: Sequence[tuple[int, int]]) -> int:
    """The crop size in pixels at a step: of the last ``(first step, size)`` entry that has begun."""
    return [size for first, size in sizes if first <= step][-1]


def parse_crop_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Reads ``256`` or ``0:128,20000:256`` (first step and size of each part).

    Returns:
        ``(first step, size)`` in order, the first one at step 0.

    Raises:
        AdaINError: anything else.
    """
    try:
        sizes = tuple(
            (int(first), int(size))
            for first, size in (part.split(":") if ":" in part else ("0", part) for part in str(text).split(","))
        )
    except ValueError:
        sizes = ()
    return check_crop_sizes(sizes, text)


def check_crop_sizes(sizes: Sequence[tuple[int, int]], found: object = None) -> tuple[tuple[int, int], ...]:
    """Returns the entries if the first is at step 0, they rise, and sizes are multiples of 8 from 16 up."""
    firsts = [first for first, _ in sizes]
    rising = bool(firsts) and firsts[0] == 0 and all(a < b for a, b in itertools.pairwise(firsts))
    if not rising or any(size < SMALLEST_CROP or size % STRIDE for _, size in sizes):
        raise AdaINError(
            f"crop size: expected a multiple of {STRIDE} from {SMALLEST_CROP} up, or a schedule such as "
            f"0:128,20000:256 that starts at step 0, found {found if found is not None else sizes!r}"
        )
    return tuple((int(first), int(size)) for first, size in sizes)
