"""Training images: two folders as endless content and style crops.

Everything about sample n follows from the seed and n alone: a run that is resumed at a step sees what an
uninterrupted one would, and several processes share the work by taking different samples.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from ...images.folders import Images
from ..config import TrainingConfig
from ..optimization.schedule import crop_size
from .redrawing import redrawn

# Content crop, style crop, whether they are the same, and which style crops its batch has (`PooledPairs`: which content
# crop and which style crop these are).
Sample = tuple[Tensor, Tensor, bool, tuple[int, int]]

# Shares of style crops under `TrainingConfig.augment_styles`.
_STYLE_FROM_CONTENT, _SHUFFLED, _INVERTED = 0.25, 0.35, 0.1


@dataclass
class Batch:
    """What one step trains on.

    Attributes:
        content, style: ``[B, 3, n, n]`` RGB 0..1.
        identity: which samples have the content as their style, bool ``[B]``, on the CPU.
        styles: equal for batches whose other samples have the same style crops.
        skipped: files left out on the way, and why.
        crops: the number of each sample's content crop and of its style crop, where crops come again (`PooledPairs`).
    """

    content: Tensor
    style: Tensor
    identity: Tensor
    styles: tuple[int, int]
    skipped: dict[str, str]
    crops: list[tuple[int, int]] = field(default_factory=list)

    def pin_memory(self) -> Batch:
        """Called by DataLoader, for copies to the GPU that do not wait."""
        return replace(self, content=self.content.pin_memory(), style=self.style.pin_memory())


class Pairs(Dataset[Sample]):
    """Sample n of a training: a content and a style crop. Each image comes once per pass, passes in random order."""

    def __init__(self, content: Sequence[Path], style: Sequence[Path], config: TrainingConfig) -> None:
        # Images that would be enlarged more than twice are left out: they have no detail to learn from.
        self.content = Images(content, config.largest_crop // 2)
        self.style = Images(style, config.largest_crop // 2)
        self.config = config

    def __getitem__(self, n: int) -> Sample:
        config = self.config
        step, k = divmod(n, config.batch_size)
        size = crop_size(step, config.crop_sizes)
        content = self._crop(self.content, "content", n, size)
        turn = step // config.style_reuse
        m = turn * config.batch_size + k  # the same in `style_reuse` batches in a row
        # floor(m * share) grows by one at evenly spread m, in exactly that share of them.
        if math.floor((m + 1) * config.identity_share) > math.floor(m * config.identity_share):
            return content, content, True, (turn, size)
        return content, self._style(m, size), False, (turn, size)

    def _style(self, m: int, size: int) -> Tensor:
        """Style crop m."""
        style = self._augmented(m, size)
        random = generator(self.config.seed, "redrawing", m)
        return redrawn(style, random) if float(torch.rand((), generator=random)) < self.config.redrawn_share else style

    def _augmented(self, m: int, size: int) -> Tensor:
        if not self.config.augment_styles:
            return self._crop(self.style, "style", m, size)
        random = generator(self.config.seed, "augmentation", m)
        from_content, shuffled, inverted = torch.rand(3, generator=random).tolist()
        if from_content < _STYLE_FROM_CONTENT:
            style = self._crop(self.content, "content as style", m, size)
        else:
            style = self._crop(self.style, "style", m, size)
        if shuffled < _SHUFFLED:
            style = style[torch.randperm(3, generator=random)]
        return v2.functional.invert(style) if inverted < _INVERTED else style

    def _crop(self, images: Images, role: str, n: int, size: int) -> Tensor:
        turn, k = divmod(n, len(images))
        pixels = images.read(int(order(self.config.seed, role, turn, len(images))[k]))
        return random_crop(pixels, size, self.config.resize, generator(self.config.seed, role, n))

    def collate(self, samples: list[Sample]) -> Batch:
        contents, styles, identity, numbers = zip(*samples, strict=True)
        skipped = self.content.skipped | self.style.skipped
        return Batch(torch.stack(contents), torch.stack(styles), torch.tensor(identity), numbers[0], skipped)


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A random generator of its own for each purpose, the same for the same seed on every machine."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


@functools.lru_cache(maxsize=8)
def order(seed: int, role: str, turn: int, count: int) -> Tensor:
    """The order of the images in one pass over a folder: a permutation of 0..count-1."""
    return torch.randperm(count, generator=generator(seed, role, "order", turn))


def random_crop(pixels: Tensor, size: int, resize: tuple[int, int], random: torch.Generator) -> Tensor:
    """Scales the short side to a random length, cuts out a random square, and flips every second one.

    Args:
        pixels: ``[3, H, W]``.
        size: side of the square, pixels.
        resize: least and greatest short side, evenly in the logarithm; never enlarged beyond what the crop needs.
        random: where the numbers come from.

    Returns:
        ``[3, size, size]``.
    """
    height, width = pixels.shape[1:]
    scale, top, left, flip = torch.rand(4, generator=random).tolist()
    low, high = (max(size, min(side, height, width)) for side in resize)
    short = low * (high / low) ** scale
    # Cut out first, then scale only that: the same pixels as scaling first, at a fraction of the work.
    side = max(1, min(height, width, round(size * min(height, width) / short)))
    y, x = int(top * (height - side + 1)), int(left * (width - side + 1))
    crop: Tensor = v2.functional.resized_crop(pixels, y, x, side, side, [size, size], antialias=True)
    return v2.functional.horizontal_flip(crop) if flip < 0.5 else crop


def hold_out(paths: Sequence[Path], count: int) -> tuple[list[Path], list[Path]]:
    """Splits off ``count`` files, evenly spread, to look at and never train on.

    Returns:
        ``(for training, held out)``. From fewer than ten times as many nothing is taken away: the held out ones are
        then trained on as well.
    """
    enough = len(paths) >= 10 * count
    count = min(count, len(paths))
    held = [paths[k * len(paths) // count] for k in range(count)]
    if not enough:
        return list(paths), held
    return [path for path in paths if path not in held], held
