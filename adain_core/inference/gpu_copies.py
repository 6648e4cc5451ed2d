"""Copies to the device that computes, and back; those to and from a GPU, while it computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def to_device(
    parts: Iterable[tuple[T, Tensor]], device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[T, Tensor]]:
    """The parts on a device, in a type, channels_last.

    From the CPU to CUDA each copy starts when the part before it is handed out: from pinned memory, on a stream of its
    own, it runs beside what the GPU is given to compute on that part. Types change on the GPU.

    Args:
        parts: names, which stay as they are, and tensors ``[B, C, H, W]``.
        device, dtype: where and as what they are needed.
    """
    if device.type != "cuda":
        for name, part in parts:
            yield name, _converted(part, device, dtype)
        return
    copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    before: tuple[T, Tensor, torch.cuda.Event | None] | None = None
    for item in chain(parts, [None]):
        after: tuple[T, Tensor, torch.cuda.Event | None] | None = None
        if item is not None:
            name, part = item
            copied = None
            if part.device.type == "cpu":
                with torch.cuda.stream(copies):
                    # pin_memory refuses what `expand` repeats, and takes a tile's whole rows.
                    dense = part.contiguous(memory_format=torch.channels_last)
                    part = dense.pin_memory().to(device, non_blocking=True)
                copied = copies.record_event()
            after = name, part, copied
        if before is not None:
            name, part, copied = before
            if copied is not None:
                computing = torch.cuda.current_stream(device)
                computing.wait_event(copied)
                part.record_stream(computing)  # its memory is not for the next copy before the computation is done
            yield name, _converted(part, device, dtype)
        before = after


def from_device(
    parts: Iterable[tuple[T, Tensor]], source: torch.device, target: torch.device
) -> Iterator[tuple[T, Tensor]]:
    """The parts on another device.

    From CUDA to the CPU each copy starts when the GPU has been given the next part to compute, on a stream of its own:
    the copy waits for its part only, and while it runs the GPU computes.

    Args:
        parts: names, which stay as they are, and tensors. Asking for the next one is what gives it to the GPU.
        source: where they are computed.
        target: where they are needed.
    """
    if source.type != "cuda" or target.type != "cpu":
        for name, part in parts:
            yield name, part.to(target)
        return
    copies = torch.cuda.Stream(source)  # type: ignore[no-untyped-call]
    before: tuple[T, Tensor, torch.cuda.Event] | None = None
    for item in chain(parts, [None]):
        after = None if item is None else (*item, torch.cuda.current_stream(source).record_event())
        if before is not None:
            name, part, computed = before
            copies.wait_event(computed)
            with torch.cuda.stream(copies):
                part = part.to(target)
            yield name, part
        before = after


def _converted(part: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return part.to(device, dtype, memory_format=torch.channels_last)
