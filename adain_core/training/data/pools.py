"""Samples whose crops come several times, so that what is made of a crop can be kept."""

from __future__ import annotations

import math
from dataclasses import replace

from ..optimization.schedule import crop_size
from .samples import Batch, Pairs, Sample, order

POOL = 256  # crops of content, and of style, that come in turns before others do


class PooledPairs(Pairs):
    """As `Pairs`, but each crop comes `TrainingConfig.style_reuse` times, every time with another partner.

    The crops come in pools of `POOL`, a pool's crops that many times in ever new orders. Sample n follows from the seed
    and n alone here, too.
    """

    def __getitem__(self, n: int) -> Sample:
        config = self.config
        size = crop_size(n // config.batch_size, config.crop_sizes)
        numbers = self._number("content", n), self._number("style", n)
        content = self._crop(self.content, "content", numbers[0], size)
        if math.floor((n + 1) * config.identity_share) > math.floor(n * config.identity_share):
            return content, content, True, numbers
        return content, self._style(numbers[1], size), False, numbers

    def collate(self, samples: list[Sample]) -> Batch:
        return replace(super().collate(samples), crops=[numbers for _, _, _, numbers in samples])

    def _number(self, role: str, n: int) -> int:
        """Which crop of a role sample n has."""
        turn, k = divmod(n, POOL)
        pool = turn // self.config.style_reuse
        return pool * POOL + int(order(self.config.seed, f"{role} pool", turn, POOL)[k])
