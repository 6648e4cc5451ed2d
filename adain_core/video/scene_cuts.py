"""Finding scene cuts in a stream of features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_GRID = 4  # places per side of a thumbnail
_LEAST = 0.3  # standard deviations. Real cuts measure 0.6 and more, quiet scenes below 0.1
_RATIO = 3.0  # times the recent typical change: a hand waved before the camera reaches 0.4, but not at once
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
        thumbnail = F.adaptive_avg_pool2d(features, _GRID).float()
        variance = features.float().var(dim=(2, 3), correction=0).mean()
        # As one tensor: each copy to the CPU waits for the device.
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
        """What `restore` needs to go on from here."""
        parts = {"thumbnail": self._thumbnail, "variance": self._variance, "typical": self._typical}
        return {name: tensor for name, tensor in parts.items() if tensor is not None}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._thumbnail, self._variance = state.get("thumbnail"), state.get("variance")
        self._typical = state.get("typical")
