"""An image's features at all four layers, tile by tile, and their statistics."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import AdaINError
from ..memory import budget
from ..method.features import TAP_CHANNELS, TAPS, feature_size
from ..method.normalization import Statistics
from ..method.running_statistics import RunningStatistics
from ..method.spatial_masks import to_size
from ..models.model_files import AnyDecoder, AnyEncoder
from ..models.vgg import VGGEncoder, check_images
from .memory_estimates import GRADIENT_BYTES_PER_PIXEL, PLAIN_BYTES_PER_PIXEL, square_tile
from .tiling import Tile, TilePlan, check_tile_size

# Of a tile: CUDA pads maps of fewer than 2^31 numbers only, and the first layer has 64 channels.
_MOST_PIXELS = 2**31 // TAP_CHANNELS[0] - 1


def has_layers(encoder: AnyEncoder) -> bool:
    """Whether an encoder has the four layers: only a VGG does."""
    return isinstance(encoder, VGGEncoder)


def layered(encoder: AnyEncoder) -> VGGEncoder:
    """The encoder if it has the four layers, else AdaINError."""
    if not isinstance(encoder, VGGEncoder):
        raise AdaINError(
            "refine: expected a VGG encoder, whose four layers the losses compare, found one without them; use the "
            "pair fine or vgg19, or 0 steps"
        )
    return encoder


def plan_tap_tiles(
    model: VGGEncoder | AnyDecoder, size: tuple[int, int], tile_size: int, memory: int | None, gradients: bool
) -> TilePlan:
    """Tiles whose features at all layers, with what their gradients need or without, fit into the memory.

    Args:
        model: an encoder, or a decoder, whose layers are the same the other way round.
        size: height and width of the image.
        tile_size: side in pixels; 0: as large as fits.
        memory: bytes; None: most of what is free on the model's device.
    """
    available = budget(next(model.parameters()).device) if memory is None else memory
    pixels = min(available // (GRADIENT_BYTES_PER_PIXEL if gradients else PLAIN_BYTES_PER_PIXEL), _MOST_PIXELS)
    fits = size[0] * size[1] <= pixels
    automatic = 0 if fits else square_tile(pixels, model.halo)
    return TilePlan(*feature_size(*size), model.halo, check_tile_size(tile_size) or automatic)


def inner_taps(taps: Sequence[Tensor], tile: Tile) -> list[Tensor]:
    """Of a tile's features at the four layers what belongs to it alone, without the halo.

    A tile's box is on the feature grid; each layer before has twice as many positions.
    """
    rows, columns = tile.inner.within(tile.outer).positions
    return [tap[(..., *_finer((rows, columns), k))] for k, tap in zip(_SHIFTS, taps, strict=False)]


def tap_masks(mask: Tensor | None, size: tuple[int, int]) -> list[Tensor | None]:
    """A mask over the image at the sizes of the four layers, ``[B, H_i, W_i]``."""
    if mask is None:
        return [None] * len(TAPS)
    return [to_size(mask, (-(-size[0] >> i), -(-size[1] >> i))) for i in range(len(TAPS))]


def tile_masks(masks: Sequence[Tensor | None], tile: Tile) -> list[Tensor | None]:
    """The masks of `tap_masks` where a tile is."""
    boxes = [_finer(tile.inner.positions, k) for k in _SHIFTS]
    return [None if mask is None else mask[(..., *box)] for mask, box in zip(masks, boxes, strict=True)]


@torch.inference_mode()
def shallow_statistics(
    encoder: AnyEncoder,
    images: Tensor,
    mask: Tensor | None = None,
    tile_size: int = 0,
    memory: int | None = None,
) -> list[Statistics]:
    """Channel statistics at relu1_1, relu2_1 and relu3_1, on the encoder's device.

    Args:
        encoder: a VGG; it computes them, as far as relu3_1.
        images: ``[B, 3, H, W]`` RGB 0..1, on any device.
        mask: ``[B or 1, h, w]`` over the image; they are taken only from there, some of it above 0.
        tile_size: side of the tiles in pixels; 0: as large as fits into the memory.
        memory: bytes the computation may take; None: most of what is free.

    Returns:
        ``[B, 64]``, ``[B, 128]`` and ``[B, 256]`` each, float32.
    """
    encoder, size = layered(encoder), (images.shape[2], images.shape[3])
    parameter = next(encoder.parameters())
    plan = plan_tap_tiles(encoder, size, tile_size, memory, gradients=False)
    found = []
    for k, image in enumerate(torch.split(check_images(images), 1)):
        chosen = None if mask is None else mask[k if mask.shape[0] > 1 else 0][None]
        masks = tap_masks(chosen, size)
        running = [RunningStatistics() for _ in TAPS[:-1]]
        for tile in plan:
            pixels = image[(..., *tile.outer.pixels)].to(parameter, memory_format=torch.channels_last)
            taps = inner_taps(shallow_taps(encoder, pixels), tile)
            for each, tap, weights in zip(running, taps, tile_masks(masks, tile), strict=False):
                each.add(tap, weights)
        found.append([each.statistics() for each in running])
    return [
        Statistics(torch.cat([s.mean for s in layer]), torch.cat([s.std for s in layer]))
        for layer in zip(*found, strict=True)
    ]


_SHIFTS = range(len(TAPS) - 1, -1, -1)  # of each layer's positions against the feature grid's, in powers of 2


def shallow_taps(encoder: VGGEncoder, pixels: Tensor) -> list[Tensor]:
    """Features at relu1_1, relu2_1 and relu3_1; no layer behind is computed."""
    taps = (x for k, x in encoder.layers(pixels) if k in encoder.first_of_block)
    return list(itertools.islice(taps, len(TAPS) - 1))


def _finer(box: tuple[slice, slice], shift: int) -> tuple[slice, slice]:
    rows, columns = (slice(side.start << shift, side.stop << shift) for side in box)
    return rows, columns
