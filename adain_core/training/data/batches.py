"""Makes training batches ahead of time, in worker processes or in threads."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader

from ...threads import map_ahead
from .samples import Batch, Pairs

_PREFETCH = 3  # batches made ahead


def stream(
    pairs: Pairs, steps: range, workers: int, rank: int = 0, world: int = 1, pin: bool = False
) -> Generator[Batch, None, None]:
    """Makes the batches of these steps, a few ahead of the one asked for.

    Args:
        pairs: the samples.
        steps: which steps.
        workers: worker processes; 0: threads of this process, for hosts that must not be forked.
        rank, world: number of this process, and how many processes share each batch.
        pin: whether batches lie in page-locked memory.

    Yields:
        A `Batch` per step: this process's part of it.
    """
    share = pairs.config.batch_size // world
    indices = _Indices(steps, pairs.config.batch_size, rank * share, share)
    if workers == 0:
        yield from _stream_by_threads(pairs, indices)
        return
    loader = DataLoader(
        pairs,
        batch_sampler=indices,
        num_workers=workers,
        collate_fn=pairs.collate,
        worker_init_fn=_start_worker,
        prefetch_factor=_PREFETCH,
        pin_memory=pin,
        generator=torch.Generator(),  # its own, so that the process's random state stays as it is
    )
    yield from loader


@dataclass
class _Indices:
    """The sample numbers of this process's part of each batch.

    Attributes:
        steps: one batch each.
        batch_size: over all processes together.
        first: of the batch's samples, the first for this process.
        share: how many of them are for this process.
    """

    steps: range
    batch_size: int
    first: int
    share: int

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            start = step * self.batch_size + self.first
            yield list(range(start, start + self.share))


def _stream_by_threads(pairs: Pairs, indices: _Indices) -> Iterator[Batch]:
    def make(numbers: list[int]) -> Batch:
        return pairs.collate([pairs[n] for n in numbers])

    pool = ThreadPoolExecutor(2, thread_name_prefix="adain-data")
    try:
        yield from map_ahead(pool, make, indices, _PREFETCH)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _start_worker(_: int) -> None:
    # A terminal sends these to the whole process group. The trainer alone answers them, and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
