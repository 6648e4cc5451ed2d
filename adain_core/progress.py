"""How work tells its progress."""

from __future__ import annotations

from collections.abc import Callable

# Called with (done, total) after each tile; whatever it raises stops the work.
ProgressCallback = Callable[[int, int], None]


def stage(progress: ProgressCallback | None, begun: int, stages: int) -> ProgressCallback | None:
    """The progress of one of so many equal stages, of which so many are done already."""
    if progress is None:
        return None
    return lambda done, total: progress(begun * total + done, stages * total)
