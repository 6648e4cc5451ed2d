"""Copies to the device that computes; to a GPU, while it computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import torch
from torch import Tensor


def uploaded(parts: Iterable[Tensor], device: torch.device, dtype: torch.dtype) -> Iterator[Tensor]:
    """The parts on a device, in a type, channels_last.

    From the CPU to CUDA each copy starts when the part before it is handed out: from pinned memory, on a stream of its
    own, it runs beside what the GPU is given to compute on that part. Types change on the GPU.
    """
    if device.type != "cuda":
        yield from (_converted(part, device, dtype) for part in parts)
        return
    copies = torch.cuda.Stream(device)
    before: tuple[Tensor, torch.cuda.Event | None] | None = None
    for part in chain(parts, [None]):
        ready = None
        if part is not None and part.device.type == "cpu":
            with torch.cuda.stream(copies):
                part = part.pin_memory().to(device, non_blocking=True)
            ready = copies.record_event()
        if before is not None:
            copy, copied = before
            if copied is not None:
                computing = torch.cuda.current_stream(device)
                computing.wait_event(copied)
                copy.record_stream(computing)  # its memory is not for the next copy before the computation is done
            yield _converted(copy, device, dtype)
        before = None if part is None else (part, ready)


def _converted(part: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return part.to(device, dtype, memory_format=torch.channels_last)
