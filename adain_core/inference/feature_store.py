"""Where the features of an image are that is stylized in tiles: in memory, or in a file when they alone exceed it."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from ..files import allocate
from .tiling import Box


class FeatureStore:
    """Features ``[1, C, height, width]``, written and read in boxes.

    Args:
        height, width: of the feature grid.
        channels: of the features.
        dtype: of the features.
        folder: a file in this folder holds them, mapped into memory only during each access; None: memory does.

    Raises:
        AdaINError: too little room in the folder.
    """

    def __init__(self, height: int, width: int, channels: int, dtype: torch.dtype, folder: Path | None = None) -> None:
        self._shape = (height, width, channels)
        self._dtype = dtype
        self._memory: Tensor | None = None
        self._file: Path | None = None
        if folder is None:
            self._memory = torch.empty(self._shape, dtype=dtype)
            return
        self._file = folder / "features"
        allocate(self._file, feature_bytes(height, width, channels, dtype), "the image's features")

    def write(self, box: Box, features: Tensor) -> None:
        """Keeps features ``[1, C, h, w]``, from any device."""
        self._map()[box.positions] = features[0].permute(1, 2, 0).cpu()

    def read(self, box: Box) -> Tensor:
        """Features ``[1, C, h, w]``, channels_last, a copy."""
        return self._map()[box.positions].clone().permute(2, 0, 1)[None]

    def _map(self) -> Tensor:
        if self._memory is not None:
            return self._memory
        return torch.from_file(str(self._file), shared=True, size=math.prod(self._shape), dtype=self._dtype).view(
            self._shape
        )


def feature_bytes(height: int, width: int, channels: int, dtype: torch.dtype) -> int:
    """Bytes of features of that many positions and channels."""
    return height * width * channels * dtype.itemsize
