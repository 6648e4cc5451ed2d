"""Runs the core with ComfyUI's memory, progress and cancel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..adain_core.errors import check_batch
from ..adain_core.images import color
from ..adain_core.images.resize import scale_short_side
from ..adain_core.inference import frames, pipeline, refinement
from ..adain_core.inference.fallback import smaller_when_out_of_memory
from ..adain_core.inference.memory_estimates import GRADIENT_BYTES_PER_PIXEL, working_memory
from ..adain_core.inference.refinement import STYLE_WEIGHT, RefinementGoal
from ..adain_core.inference.tap_tiles import shallow_statistics
from ..adain_core.method.features import Features, feature_size
from ..adain_core.method.normalization import Statistics
from ..adain_core.models.model_files import AnyDecoder, AnyEncoder
from ..adain_core.progress import ProgressCallback
from . import host

T = TypeVar("T")

_LARGEST_REQUEST = 2 << 30  # bytes; larger work is tiled rather than all other models unloaded for it
_FLOAT_BYTES = 4
_SMALL = 16  # features at most this fraction of the memory stay on the compute device between encoder and decoder


def encode(
    encoder: host.ManagedModel[AnyEncoder],
    images: Tensor,
    mask: Tensor | None = None,
    tile_size: int = 0,
    progress: ProgressCallback | None = None,
    device: torch.device | None = None,
    statistics_size: int = 0,
) -> Features:
    """`pipeline.encode` on ComfyUI's device; in smaller tiles if memory runs out.

    Args:
        encoder, images, mask, tile_size, progress, statistics_size: as there; images ``[B, 3, H, W]``.
        device: where the features are kept; None: on the output device.
    """
    model = encoder.load(_request(images.shape[2] * images.shape[3], encoder.model))
    progress = progress or host.progress_bar(images.shape[0])
    device = device or host.output_device()

    def run(tile_size: int, memory: int) -> Features:
        return pipeline.encode(model, images, mask, tile_size, progress, device, memory, statistics_size)

    def shallow(region: Tensor | None) -> list[Statistics]:
        return _shallow_statistics(encoder, images, mask if region is None else region)

    features = _smaller_when_out_of_memory(run, tile_size, encoder.available_memory())
    if features.shallow is None:
        return features
    # Later, when they are asked for, ComfyUI may have moved the model.
    measured = features.measured
    if measured is not None:

        def shallow_there(region: Tensor | None) -> list[Statistics]:
            there = scale_short_side(images, statistics_size)
            return _shallow_statistics(encoder, there, mask if region is None else region)

        measured = measured._replace(shallow=shallow_there)
    return features._replace(shallow=shallow, measured=measured)


def _shallow_statistics(
    encoder: host.ManagedModel[AnyEncoder], images: Tensor, mask: Tensor | None
) -> list[Statistics]:
    """`tap_tiles.shallow_statistics` on ComfyUI's device; in smaller tiles if memory runs out."""
    model = encoder.load(_request(images.shape[2] * images.shape[3], encoder.model))

    def run(tile_size: int, memory: int) -> list[Statistics]:
        return shallow_statistics(model, images, mask, tile_size, memory)

    return _smaller_when_out_of_memory(run, 0, encoder.available_memory())


def decode(
    decoder: host.ManagedModel[AnyDecoder],
    features: Features,
    tile_size: int = 0,
    progress: ProgressCallback | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """`pipeline.decode` on ComfyUI's device; in smaller tiles if memory runs out.

    Args:
        decoder, features, tile_size, progress: as there.
        device: where the images are kept; None: on the output device.
    """
    model = decoder.load(_request(features.size[0] * features.size[1], decoder.model))
    progress = progress or host.progress_bar(features.tensor.shape[0])
    device = device or host.output_device()

    def run(tile_size: int, memory: int) -> Tensor:
        return pipeline.decode(model, features, tile_size, progress, device, memory)

    return _smaller_when_out_of_memory(run, tile_size, decoder.available_memory())


def refine(
    encoder: host.ManagedModel[AnyEncoder],
    images: Tensor,
    target: Features,
    goals: Sequence[RefinementGoal],
    steps: int,
    decoder: host.ManagedModel[AnyDecoder] | None = None,
    style_weight: float = STYLE_WEIGHT,
    tile_size: int = 0,
    progress: ProgressCallback | None = None,
    show: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """`refinement.refine` on ComfyUI's device; in smaller tiles if memory runs out."""
    pixels = target.size[0] * target.size[1]
    models: list[host.ManagedModel[Any]] = [encoder] if decoder is None else [encoder, decoder]
    host.load_together(models, min(len(models) * pixels * GRADIENT_BYTES_PER_PIXEL, _LARGEST_REQUEST))
    model, painter = encoder.model, None if decoder is None else decoder.model
    progress = progress or host.progress_bar(1)
    memory = encoder.available_memory()
    given = (model, images, target, goals, steps, painter, style_weight, tile_size, progress, memory, show)
    return refinement.refine(*given, _smaller_when_out_of_memory).to(host.output_device())


class ManagedPair:
    """An encoder and a decoder that ComfyUI manages, for `frames.stylize_frames` and `video.job.VideoJob`.

    Args:
        encoder, decoder: the pair.
        device: where images come from and results are kept.
    """

    def __init__(
        self, encoder: host.ManagedModel[AnyEncoder], decoder: host.ManagedModel[AnyDecoder], device: torch.device
    ) -> None:
        self._encoder, self._decoder = encoder, decoder
        self.device = device

    @property
    def encoder(self) -> AnyEncoder:
        return self._encoder.model

    @property
    def decoder(self) -> AnyDecoder:
        return self._decoder.model

    def encode(
        self,
        images: Tensor,
        mask: Tensor | None = None,
        *,
        tile_size: int = 0,
        progress: ProgressCallback | None = None,
        memory: int | None = None,
        statistics_size: int = 0,
    ) -> Features:
        """Features of images, kept where it suits their size. ComfyUI says how much memory there is."""
        device = self._features_device(images)
        progress = progress or host.cancel_point
        return encode(self._encoder, images, mask, tile_size, progress, device, statistics_size)

    def decode(
        self,
        features: Features,
        *,
        tile_size: int = 0,
        progress: ProgressCallback | None = None,
        memory: int | None = None,
    ) -> Tensor:
        """Images on the pair's device."""
        return decode(self._decoder, features, tile_size, progress or host.cancel_point, self.device)

    def refine(
        self,
        images: Tensor,
        target: Features,
        goals: Sequence[RefinementGoal],
        steps: int,
        *,
        through_decoder: bool = True,
        progress: ProgressCallback | None = None,
        memory: int | None = None,
    ) -> Tensor:
        """Images on the output device."""
        decoder = self._decoder if through_decoder else None
        return refine(self._encoder, images, target, goals, steps, decoder, progress=progress or host.cancel_point)

    def _features_device(self, images: Tensor) -> torch.device:
        """The compute device for features that are small beside its memory, else the pair's device."""
        positions = math.prod(feature_size(*images.shape[2:]))
        size = len(images) * positions * self._encoder.model.feature_channels * _FLOAT_BYTES
        small = size * _SMALL <= self._encoder.available_memory()
        return host.compute_device() if small else self.device


def stylize(
    encoder: host.ManagedModel[AnyEncoder],
    decoder: host.ManagedModel[AnyDecoder],
    content: Tensor,
    style: Tensor,
    alpha: float = 1.0,
    mask: Tensor | None = None,
    preserve_color: bool = False,
    smoother: frames.Smoother | None = None,
    refine: int = 0,
    style_size: int = 0,
    detail_size: int = 0,
    opacity: Tensor | None = None,
    style_mask: Tensor | None = None,
) -> Tensor:
    """`frames.stylize_frames` in one style, with a progress bar on the node.

    Returns:
        ``[B, 3, H, W]`` on the output device.
    """
    refinement.check_refinement(refine, encoder.model)
    return frames.stylize_frames(
        ManagedPair(encoder, decoder, host.output_device()),
        content,
        [style],
        alpha,
        masks=[] if mask is None else [mask],
        preserve_color=preserve_color,
        smoother=smoother,
        progress=host.progress_bar(1),
        opacity=opacity,
        refine=refine,
        style_size=style_size,
        detail_size=detail_size,
        style_masks=[style_mask],
    )


def match_color(
    images: Tensor,
    reference: Tensor,
    method: str,
    strength: float = 1.0,
    opacity: Tensor | None = None,
    reference_opacity: Tensor | None = None,
) -> Tensor:
    """`color.match_color`, a few images at a time, on the images' device. Pixels count as much as can be seen of
    them."""
    count = images.shape[0]
    check_batch("reference", reference.shape[0], count, "the image")
    bar = host.progress_bar(count)
    result = torch.empty(images.shape, dtype=images.dtype, device=images.device, memory_format=torch.channels_last)
    for chunk in frames.chunks(count):
        part = frames.part_of(reference, chunk).to(images.device)
        weights, others = (
            None if seen is None else frames.part_of(seen, chunk).to(images.device)
            for seen in (opacity, reference_opacity)
        )
        result[chunk] = color.match_color(images[chunk], part, method, weights, others, strength)
        bar(chunk.stop, count)
    return result


def _smaller_when_out_of_memory(run: Callable[[int, int], T], tile_size: int, memory: int) -> T:
    """`smaller_when_out_of_memory` as ComfyUI tells such errors."""
    return smaller_when_out_of_memory(run, tile_size, memory, host.is_out_of_memory, host.free_cache)


def _request(pixels: int, model: AnyEncoder | AnyDecoder) -> int:
    return min(working_memory(pixels, model.feature_channels), _LARGEST_REQUEST)
