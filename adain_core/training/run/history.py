"""The losses of a training, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SMOOTHING = 0.98  # share of the past in a smoothed curve
_LATEST = 500  # steps


class History:
    """One row of losses per step.

    Attributes:
        names: of the columns; empty until the first row.
        rows: ``rows[step][column]``.
    """

    def __init__(self, names: Sequence[str] = (), rows: Sequence[Sequence[float]] = ()) -> None:
        self.names = list(names)
        self.rows = [list(row) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def append(self, values: dict[str, float]) -> None:
        self.names = self.names or list(values)
        self.rows.append([values[name] for name in self.names])

    def column(self, name: str) -> list[float]:
        """One loss over all steps; empty when the training does not compute it."""
        if name not in self.names:
            return []
        k = self.names.index(name)
        return [row[k] for row in self.rows]

    def latest(self) -> dict[str, float]:
        """Every loss, smoothed, at the last step."""
        if not self.rows:
            return {}
        columns = zip(*self.rows[-_LATEST:], strict=True)  # what lies further back weighs nothing
        return {name: smooth(column)[-1] for name, column in zip(self.names, columns, strict=True)}

    def thinned(self, most: int = 1000) -> dict[str, list[float]]:
        """Every column as at most that many means over equal stretches, and ``step``, the last of each stretch."""
        stride = max(1, -(-len(self.rows) // most))
        starts = range(0, len(self.rows), stride)
        columns = {name: self.column(name) for name in self.names}
        means = {
            name: [sum(values[i : i + stride]) / len(values[i : i + stride]) for i in starts]
            for name, values in columns.items()
        }
        return {"step": [min(i + stride, len(self.rows)) for i in starts], **means}

    def as_tensor(self) -> Tensor:
        """``[steps, columns]`` float64."""
        return torch.tensor(self.rows, dtype=torch.float64).reshape(len(self.rows), len(self.names))

    @classmethod
    def from_tensor(cls, names: Sequence[str], rows: Tensor) -> History:
        return cls(names, rows.tolist())


def smooth(values: Sequence[float], share: float = SMOOTHING) -> list[float]:
    """Exponential moving average whose first values are not pulled to 0: a plain mean at the start."""
    smoothed, weighted, total = [], 0.0, 0.0
    for value in values:
        weighted, total = share * weighted + value, share * total + 1
        smoothed.append(weighted / total)
    return smoothed
