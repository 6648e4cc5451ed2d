"""Runs the core with ComfyUI's memory, progress and cancel; smaller when memory runs out."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ..adain_core import pipeline
from ..adain_core.features import Features
from ..adain_core.memory import working_memory
from ..adain_core.tiling import MIN_TILE_SIZE
from . import host

_FIRST_FALLBACK = 1024  # pixels; tiles after the first out-of-memory error when there were none
_LARGEST_REQUEST = 2 << 30  # bytes; larger work is tiled rather than all other models unloaded for it


def encode(encoder: host.ManagedModel, images: Tensor, mask: Tensor | None = None, tile_size: int = 0) -> Features:
    """`adain_core.pipeline.encode` on ComfyUI's device; images ``[B, 3, H, W]``."""
    model = encoder.load(_request(images.shape[2] * images.shape[3]))
    bar = host.progress_bar(images.shape[0])

    def run(tile_size: int, memory: int) -> Features:
        return pipeline.encode(model, images, mask, tile_size, bar, host.output_device(), memory)

    return _shrinking(run, tile_size)


def decode(decoder: host.ManagedModel, features: Features, tile_size: int = 0) -> Tensor:
    """`adain_core.pipeline.decode` on ComfyUI's device."""
    model = decoder.load(_request(features.size[0] * features.size[1]))
    bar = host.progress_bar(features.tensor.shape[0])

    def run(tile_size: int, memory: int) -> Tensor:
        return pipeline.decode(model, features, tile_size, bar, host.output_device(), memory)

    return _shrinking(run, tile_size)


def _request(pixels: int) -> int:
    return min(working_memory(pixels), _LARGEST_REQUEST)


def _shrinking(run: Callable[[int, int], object], tile_size: int):
    """Runs with all memory there is; after an out-of-memory error one image at a time, then in ever smaller tiles."""
    memory = host.available_memory()
    while True:
        try:
            return run(tile_size, memory)
        except host.out_of_memory_error():
            if tile_size == MIN_TILE_SIZE:
                raise
        # Only out here are the tensors of the failed attempt free: the exception held them.
        host.free_cache()
        if memory:
            memory = 0  # one image at a time, the smallest automatic tiles
            tile_size = tile_size or _FIRST_FALLBACK
        else:
            tile_size = max(tile_size // 2, MIN_TILE_SIZE)
