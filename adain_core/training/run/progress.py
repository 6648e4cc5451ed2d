"""How far a training is, and how fast it goes."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass

from PIL import Image

from ..evaluation import Evaluation

_WINDOW = 20  # reports over which the rate is taken


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is.

    Attributes:
        step, steps: done and wanted.
        losses: smoothed, by name.
        steps_per_second: lately.
        seconds_left: at that rate.
        preview: the newest grid of samples, only when it is new.
        evaluation: its figures, likewise.
    """

    step: int
    steps: int
    losses: dict[str, float]
    steps_per_second: float
    seconds_left: float
    preview: Image.Image | None = None
    evaluation: Evaluation | None = None

    @property
    def parts(self) -> list[str]:
        """For a narrow place: where it is, losses, speed."""
        left = time.strftime("%H:%M:%S", time.gmtime(self.seconds_left))
        days = int(self.seconds_left // 86400)
        losses = "  ".join(f"{name} {self.losses[name]:.3f}" for name in ("content", "style") if name in self.losses)
        return [
            f"step {self.step}/{self.steps}",
            losses or f"loss {self.losses.get('total', math.nan):.4f}",
            f"{self.steps_per_second:.2f} steps/s  {f'{days} d ' if days else ''}{left} left",
        ]

    def __str__(self) -> str:
        return "  ".join(self.parts)


class Pace:
    """Measures steps per second over the last few reports."""

    def __init__(self, step: int) -> None:
        self._times: deque[tuple[int, float]] = deque([(step, time.monotonic())], maxlen=_WINDOW)

    def at(self, step: int) -> float:
        """Notes that this step is done now; steps per second lately."""
        self._times.append((step, time.monotonic()))
        (first, begun), (last, now) = self._times[0], self._times[-1]
        return (last - first) / max(now - begun, 1e-9)
