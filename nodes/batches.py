"""Runs the core with ComfyUI's memory, progress and cancel; smaller when memory runs out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from ..adain_core.errors import check_batch
from ..adain_core.images import color
from ..adain_core.inference import pipeline
from ..adain_core.inference.memory_estimates import working_memory
from ..adain_core.inference.tiling import MIN_TILE_SIZE
from ..adain_core.method.features import FEATURE_CHANNELS, Features, feature_size
from ..adain_core.progress import ProgressCallback
from ..adain_core.video.smoothing import TemporalSmoother
from . import host

_FIRST_FALLBACK = 1024  # pixels; tiles after the first out-of-memory error when there were none
_LARGEST_REQUEST = 2 << 30  # bytes; larger work is tiled rather than all other models unloaded for it
_FRAMES = 8  # of a batch in flight at a time: their features are nearly three times as large as they are
_FLOAT_BYTES = 4
_SMALL = 16  # features at most this fraction of the memory stay on the compute device between encoder and decoder
_STEPS = 100  # of the progress bar, for each of those chunks

T = TypeVar("T")


def encode(
    encoder: host.ManagedModel,
    images: Tensor,
    mask: Tensor | None = None,
    tile_size: int = 0,
    progress: ProgressCallback | None = None,
    device: torch.device | None = None,
) -> Features:
    """`pipeline.encode` on ComfyUI's device.

    Args:
        encoder, images, mask, tile_size, progress: as there; images ``[B, 3, H, W]``.
        device: where the features are kept; None: on the output device.
    """
    model = encoder.load(_request(images.shape[2] * images.shape[3]))
    progress = progress or host.progress_bar(images.shape[0])
    device = device or host.output_device()

    def run(tile_size: int, memory: int) -> Features:
        return pipeline.encode(model, images, mask, tile_size, progress, device, memory)

    return _shrinking(run, tile_size)


def decode(
    decoder: host.ManagedModel, features: Features, tile_size: int = 0, progress: ProgressCallback | None = None
) -> Tensor:
    """`pipeline.decode` on ComfyUI's device."""
    model = decoder.load(_request(features.size[0] * features.size[1]))
    progress = progress or host.progress_bar(features.tensor.shape[0])

    def run(tile_size: int, memory: int) -> Tensor:
        return pipeline.decode(model, features, tile_size, progress, host.output_device(), memory)

    return _shrinking(run, tile_size)


def stylize(
    encoder: host.ManagedModel,
    decoder: host.ManagedModel,
    content: Tensor,
    style: Tensor,
    alpha: float = 1.0,
    mask: Tensor | None = None,
    preserve_color: bool = False,
    smoother: TemporalSmoother | None = None,
) -> Tensor:
    """Encode, AdaIN and decode, a few images at a time.

    Beyond the images themselves, memory does not grow with their number.

    Args:
        encoder, decoder: a pair.
        content: ``[B, 3, H, W]`` RGB 0..1.
        style: ``[B or 1, 3, h, w]``.
        alpha: content-style trade-off, 0..1.
        mask: ``[B or 1, h, w]`` 0..1 over the content.
        preserve_color: give the style the colours of each content image first.
        smoother: for frames of a video; None: each image by itself.

    Returns:
        ``[B, 3, H, W]`` on the output device.
    """
    count = content.shape[0]
    check_batch("style", style.shape[0], count)
    if mask is not None:
        check_batch("mask", mask.shape[0], count)
    chunks = _chunks(count)
    same_style = style.shape[0] == 1 and not preserve_color
    blend = smoother is not None and smoother.blends
    bar = host.progress_bar(_STEPS * len(chunks))

    def step(k: int, number: int) -> ProgressCallback:
        return _step_of(bar, k, len(chunks), number, 4 if blend else 3)

    result = torch.empty(content.shape, device=host.output_device(), memory_format=torch.channels_last)
    known = None
    for k, chunk in enumerate(chunks):
        images = content[chunk]
        if known is None or not same_style:
            look = _part(style, chunk)
            if preserve_color:
                look = color.match_color(look.expand(len(images), -1, -1, -1), images.to(look.device))
            known = encode(encoder, look, progress=step(k, 0)).style
        device = _features_device(images)
        features = encode(encoder, images, progress=step(k, 1), device=device)
        region = None if mask is None else _part(mask, chunk)
        if smoother is None:
            features = pipeline.apply_style(features, known, alpha, mask=region)
        else:
            features, cuts = smoother.apply(features, known, alpha, mask=region)
        decoded = decode(decoder, features, progress=step(k, 2))
        if smoother is not None and blend:
            decoded = smoother.blend(decoded, images, cuts, step(k, 3))
        result[chunk] = decoded
    return result


def match_color(images: Tensor, reference: Tensor, method: str) -> Tensor:
    """`color.match_color`, a few images at a time, on the images' device."""
    count = images.shape[0]
    check_batch("reference", reference.shape[0], count, "the image")
    bar = host.progress_bar(count)
    result = torch.empty(images.shape, dtype=images.dtype, device=images.device, memory_format=torch.channels_last)
    for chunk in _chunks(count):
        result[chunk] = color.match_color(images[chunk], _part(reference, chunk).to(images.device), method)
        bar(chunk.stop, count)
    return result


def _chunks(count: int) -> list[slice]:
    """A batch's samples, a few at a time."""
    return [slice(start, min(start + _FRAMES, count)) for start in range(0, count, _FRAMES)]


def _part(x: Tensor, chunk: slice) -> Tensor:
    """The chunk of a batch; a batch of 1 is for all of them."""
    return x if x.shape[0] == 1 else x[chunk]


def _step_of(bar: ProgressCallback, chunk: int, chunks: int, step: int, steps: int) -> ProgressCallback:
    """The bar of all chunks, told from one of the steps of one."""

    def tell(done: int, total: int) -> None:
        bar(round(_STEPS * (chunk + (step + done / total) / steps)), _STEPS * chunks)

    return tell


def _features_device(images: Tensor) -> torch.device:
    """The compute device for features that are small beside its memory, else the output device."""
    places = math.prod(feature_size(*images.shape[2:]))
    size = len(images) * places * FEATURE_CHANNELS * _FLOAT_BYTES
    small = size * _SMALL <= host.available_memory()
    return host.compute_device() if small else host.output_device()


def _request(pixels: int) -> int:
    return min(working_memory(pixels), _LARGEST_REQUEST)


def _shrinking(run: Callable[[int, int], T], tile_size: int) -> T:
    """Runs with all memory there is; after an out-of-memory error one image at a time, then in ever smaller tiles."""
    memory = host.available_memory()
    while True:
        try:
            return run(tile_size, memory)
        except Exception as error:
            if not host.is_out_of_memory(error) or tile_size == MIN_TILE_SIZE:
                raise
        # Only out here are the tensors of the failed attempt free: the exception held them.
        host.free_cache()
        if memory:
            memory = 0  # one image at a time, the smallest automatic tiles
            tile_size = tile_size or _FIRST_FALLBACK
        else:
            tile_size = max(tile_size // 2, MIN_TILE_SIZE)
