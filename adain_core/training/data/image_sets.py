"""The images of a training: what it trains on, and what is held out to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...images.folders import Images, list_images, names_fingerprint
from ...images.resize import center_crop
from ..config import TrainingConfig
from .pools import PooledPairs
from .samples import Pairs, hold_out

FolderOrFiles = str | Path | Sequence[Path]

PREVIEW_PAIRS = 4


@dataclass(frozen=True)
class TrainingImages:
    """Two folders, ready to train on.

    Attributes:
        pairs: the samples.
        held_out: content and style images that are not trained on, ``[4, 3, n, n]`` each.
        fingerprints: of the lists of files, ``content`` and ``style``.
        skipped: files left out so far, and why.
    """

    pairs: Pairs
    held_out: tuple[Tensor, Tensor]
    fingerprints: dict[str, str]
    skipped: dict[str, str]

    @classmethod
    def read(cls, content: FolderOrFiles, style: FolderOrFiles, config: TrainingConfig) -> TrainingImages:
        """Lists the files, and reads the held-out ones.

        Args:
            content, style: folders of images, or lists of files.
            config: crops.

        Raises:
            AdaINError: no usable images.
        """
        files: list[list[Path]] = []
        held_out: list[Tensor] = []
        fingerprints: dict[str, str] = {}
        skipped: dict[str, str] = {}
        crop = config.largest_crop
        for role, source in (("content", content), ("style", style)):
            is_folder = isinstance(source, (str, Path))
            found = list_images(source) if isinstance(source, (str, Path)) else list(source)
            paths, held = hold_out(found, PREVIEW_PAIRS)
            images = Images(paths, crop // 2, str(source) if is_folder else None)
            first = images.read(0)
            kept = Images(held, crop // 2)
            pixels = [center_crop(x, crop) for x in kept.usable()] or [center_crop(first, crop)]
            held_out.append(torch.stack((pixels * PREVIEW_PAIRS)[:PREVIEW_PAIRS]))
            skipped |= images.skipped | kept.skipped
            fingerprints[role] = names_fingerprint(found)
            files.append(paths)
        pairs = (PooledPairs if config.light else Pairs)(files[0], files[1], config)
        return cls(pairs, (held_out[0], held_out[1]), fingerprints, skipped)
