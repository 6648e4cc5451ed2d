"""How work tells its progress."""

from __future__ import annotations

from collections.abc import Callable

# Called with (done, total) after each tile; whatever it raises stops the work.
ProgressCallback = Callable[[int, int], None]
