"""Makes training batches ahead of time, in worker processes or in threads."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import torch
from torch.utils.data import DataLoader

from ...errors import AdaINError
from ...threads import map_ahead
from ..distributed import processes_here
from .samples import Batch, Pairs

_PREFETCH = 3  # batches made ahead
_SHARED_MEMORY = Path("/dev/shm")  # through which worker processes hand over batches, on Linux
_LEAVE: int | None = getattr(signal, "SIGUSR1", None)  # tells a worker to end; Windows has none
_PATIENCE = 1.0  # seconds for that
_BYTES_PER_PIXEL = 2 * 3 * 4  # of a sample: content and style, three channels of float32


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

    Raises:
        AdaINError: too little shared memory for the worker processes, before the first batch.
    """
    share = pairs.config.batch_size // world
    indices = _Indices(steps, pairs.config.batch_size, rank * share, share)
    if workers == 0:
        yield from _stream_by_threads(pairs, indices)
        return
    together = workers * processes_here()
    _check_shared_memory(together * _PREFETCH * share * _BYTES_PER_PIXEL * pairs.config.largest_crop**2, together)
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
    before = set(multiprocessing.active_children())
    batches = iter(loader)
    started = set(multiprocessing.active_children()) - before
    try:
        yield from batches
    except AdaINError as error:
        _end(started)
        # PyTorch puts the worker's traceback before what it says.
        raise AdaINError(str(error).rpartition("AdaINError: ")[2].removesuffix("\\n")) from None
    except (ConnectionError, EOFError) as error:
        _end(started)
        # A worker killed while it hands a batch over; elsewhere PyTorch says it by itself, see `worker_died`.
        raise RuntimeError(f"DataLoader worker: {error or 'ended'}") from None
    except BaseException:
        _end(started)
        raise


def _check_shared_memory(needed: int, workers: int) -> None:
    """Without this a worker that finds no room is killed, or the training waits for it for ever."""
    if not _SHARED_MEMORY.is_dir():
        return
    free = shutil.disk_usage(_SHARED_MEMORY).free
    if needed > free:
        raise AdaINError(
            f"workers: expected {needed / 2**20:.0f} MiB of shared memory in {_SHARED_MEMORY} for {workers} processes, "
            f"found {free / 2**20:.0f}; use --workers 0, or fewer"
        )


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


def _end(workers: Iterable[BaseProcess]) -> None:
    """Ends worker processes at once. PyTorch would wait for one that hangs, and they do not hear SIGTERM."""
    for worker in workers:
        if _LEAVE is not None and worker.pid is not None:
            with suppress(ProcessLookupError, RuntimeError):
                os.kill(worker.pid, _LEAVE)
    for worker in workers:
        # PyTorch's RuntimeError, that a worker was killed, comes from a signal handler: wherever this process is.
        with suppress(RuntimeError):
            worker.join(_PATIENCE)
        with suppress(RuntimeError):
            worker.kill()
        with suppress(RuntimeError):
            worker.join()


def worker_died(error: RuntimeError) -> bool:
    """Whether an error is PyTorch's for a killed worker process. It comes at any moment, in the main thread."""
    return "DataLoader worker" in str(error)


def _leave(*_: object) -> NoReturn:
    os._exit(0)  # with another status PyTorch would raise an error where the trainer happens to be


def _unless_left(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A worker's `sys.excepthook`: the trainer may leave while it is handed a batch, which is no fault of a worker."""
    if not isinstance(error, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)


def _start_worker(_: int) -> None:
    sys.excepthook = _unless_left
    if _LEAVE is not None:
        signal.signal(_LEAVE, _leave)
    # A terminal sends these to the whole process group. The trainer alone answers them, and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
