"""Finds scene cuts in a stream of features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

_GRID = 4  # cells per side of a thumbnail
_LEAST = 0.3  # standard deviations; cuts in films measure 0.6 and more, quiet scenes below 0.1
_RATIO = 3.0  # times the typical change; a hand that is waved before the camera reaches 0.4, but grows to it
_MEMORY = 0.8  # share of the typical change that stays from frame to frame


class CutDetector:
    """Tells which frames begin a new scene.

    Features are averaged over a 4x4 grid. A frame's change is the distance of this thumbnail to the one before, in
    standard deviations of the features. A cut is a change that is large both by itself and beside its recent mean.
    """

    def __init__(self) -> None:
        self._thumbnail: Tensor | None = None
        self._variance: Tensor | None = None
        self._typical: Tensor | None = None

    def add(self, features: Tensor) -> bool:
        """Whether a frame begins a scene; the first one does.

        Args:
            features: of the next frame, ``[1, C, H, W]``.
        """
        thumbnail = _thumbnail(features)
        variance = features.float().var(dim=(2, 3), correction=0).mean()
        # Copied as one tensor: each copy to the CPU waits for the device.
        both = torch.cat([thumbnail.flatten(), variance[None]]).cpu()
        thumbnail, variance = both[:-1].view(thumbnail.shape), both[-1]
        before, self._thumbnail = self._thumbnail, thumbnail
        variance_before, self._variance = self._variance, variance
        if before is None or variance_before is None:
            return True
        spread = ((variance + variance_before) / 2).clamp(min=torch.finfo(torch.float32).tiny)
        change = ((thumbnail - before).square().mean() / spread).sqrt()
        if change > _LEAST and (self._typical is None or change > _RATIO * self._typical):
            return True
        self._typical = change if self._typical is None else torch.lerp(change, self._typical, _MEMORY)
        return False

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to go on from here: tensors on the CPU, none at the start."""
        parts = {"thumbnail": self._thumbnail, "variance": self._variance, "typical": self._typical}
        return {name: tensor for name, tensor in parts.items() if tensor is not None}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from what `state` gave."""
        self._thumbnail, self._variance = state.get("thumbnail"), state.get("variance")
        self._typical = state.get("typical")


def _thumbnail(features: Tensor) -> Tensor:
    """Means over 4x4 cells that cover all positions: ``[1, C, H, W]`` to ``[1, C, 4, 4]``, float32.

    The cells are those of `torch.nn.functional.adaptive_avg_pool2d`, which on Apple's GPUs takes no sizes that 4 does
    not divide.
    """
    height, width = features.shape[2:]
    cells = [
        features[:, :, top:bottom, left:right].mean(dim=(2, 3), dtype=torch.float32)
        for top, bottom in _bounds(height)
        for left, right in _bounds(width)
    ]
    return torch.stack(cells, dim=2).view(*features.shape[:2], _GRID, _GRID)


def _bounds(length: int) -> list[tuple[int, int]]:
    """The first position of each cell and the one after its last; cells overlap where 4 does not divide the length."""
    return [(k * length // _GRID, -(-(k + 1) * length // _GRID)) for k in range(_GRID)]
