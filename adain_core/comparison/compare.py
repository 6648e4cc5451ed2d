"""All contenders on all pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..images.files import Picture, save_picture
from ..progress import ProgressCallback
from .contenders import Contender
from .measures import Measure, as_saved

Rows = dict[str, dict[str, float]]


def compare(
    contenders: Sequence[Contender],
    measures: Sequence[Measure],
    content: Tensor,
    style: Tensor,
    folder: Path | None = None,
    progress: ProgressCallback | None = None,
) -> Rows:
    """Means over the pairs.

    Args:
        contenders: each is given one pair at a time. A contender's first pair is run once more before, not counted:
            the first pass of a network chooses its kernels.
        measures: taken of pictures as they would be saved, with 8 bits.
        content, style: ``[B, 3, n, n]`` RGB 0..1, one pair after the other.
        folder: where all pictures go, ``K name.png``; None: nowhere.
        progress: called after each pair.

    Returns:
        For each name that contenders gave, in their order: the measures, and ``seconds``.
    """
    sums: Rows = {}
    pairs = list(zip(torch.split(content, 1), torch.split(style, 1), strict=True))
    for contender in contenders:
        next(iter(contender(*pairs[0])))
    for k, pair in enumerate(pairs):
        functions: list[Callable[[Tensor], dict[str, float]]] = [measure(*pair) for measure in measures]
        for contender in contenders:
            for name, picture, seconds in contender(*pair):
                saved = as_saved(picture)
                found = {"seconds": seconds}
                for measure in functions:
                    found |= measure(saved)
                row = sums.setdefault(name, dict.fromkeys(found, 0.0))
                for key, value in found.items():
                    row[key] += value / len(pairs)
                if folder is not None:
                    save_picture(folder / f"{k} {name}.png", Picture(saved))
        if progress is not None:
            progress(k + 1, len(pairs))
    return sums


def iterations_like(rows: Rows, name: str, prefix: str) -> float | None:
    """How many iterations of optimization come as close to the style as another contender, between the measured ones
    linearly; None: more than were measured, or none were.

    Args:
        rows: from `compare`.
        name: the other contender.
        prefix: of the optimization's names, before the number.
    """
    wanted = rows[name]["style"]
    before: tuple[float, float] | None = None
    for other, row in rows.items():
        if not other.startswith(prefix):
            continue
        count, style = float(other.removeprefix(prefix)), row["style"]
        if style <= wanted:
            if before is None:
                return count
            share = (before[1] - wanted) / (before[1] - style)
            return before[0] + share * (count - before[0])
        before = count, style
    return None
