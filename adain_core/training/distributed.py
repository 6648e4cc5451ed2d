"""Training in several processes: as torchrun starts them, and what they share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..devices import parse_device
from ..errors import AdaINError


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: its number; the first, 0, writes and speaks for all.
        world: how many there are.
        device: what this one computes on.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    def wrap(self, decoder: nn.Module) -> nn.Module:
        """The decoder with its gradients averaged over all processes."""
        if self.world == 1:
            return decoder
        if self.device.type == "cuda":
            decoder = nn.SyncBatchNorm.convert_sync_batchnorm(decoder)  # type: ignore[no-untyped-call]
        elif any(isinstance(module, nn.BatchNorm2d) for module in decoder.modules()):
            raise AdaINError("normalization: expected one process for batch normalization on the CPU, found several")
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(decoder, device_ids=ids)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.world > 1:
            dist.all_reduce(values)
            values = values / self.world
        return values

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in one of the processes; all get the same answer."""
        if self.world == 1:
            return flag
        value = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value > 0)

    def equal(self, value: int) -> bool:
        """Whether all processes have the same number."""
        if self.world == 1:
            return True
        ends = torch.tensor([value, -value], device=self.device)
        dist.all_reduce(ends, dist.ReduceOp.MAX)
        return bool(ends[0] == -ends[1])

    def wait(self) -> None:
        """Waits until all processes have called this."""
        if self.world > 1:
            dist.barrier()


def processes_here() -> int:
    """How many processes train together on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


@contextmanager
def start_processes(device: str | torch.device | None = None) -> Iterator[Processes]:
    """This process as torchrun started it (nccl on CUDA, gloo else), or alone.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``; of several processes each takes the GPU with its local number.

    Raises:
        AdaINError: more processes on this machine than GPUs.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield Processes(0, 1, parse_device(device))
        return
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if torch.cuda.is_available() and str(device or "auto").partition(":")[0] in ("auto", "cuda"):
        device = _own_gpu(int(os.environ.get("LOCAL_RANK", rank)))
    found = parse_device(device)
    dist.init_process_group("nccl" if found.type == "cuda" else "gloo")
    try:
        yield Processes(rank, world, found)
    finally:
        dist.destroy_process_group()


def _own_gpu(local: int) -> torch.device:
    """The GPU of the process with that number on its machine, chosen before any other is touched."""
    if local >= torch.cuda.device_count():
        raise AdaINError(f"torchrun: expected at most one process per GPU, found {torch.cuda.device_count()} GPUs")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
