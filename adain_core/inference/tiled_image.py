"""Stylizes one image of any size within a given memory.

Two passes over exact tiles: the first encodes every tile, keeps its features and accumulates their statistics; the
second applies AdaIN with those statistics and decodes. The image comes from a source and goes to a sink, tile by tile,
so that it need never be in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ..errors import AdaINError
from ..memory import budget
from ..method.adain import adain, check_alpha
from ..method.content_statistics import content_statistics, livelier
from ..method.features import STRIDE, Features, feature_size
from ..method.normalization import Statistics
from ..method.regions import shares
from ..method.running_statistics import RunningStatistics
from ..method.spatial_masks import to_size, where_visible
from ..progress import ProgressCallback
from .applications import Application, where_visible_only
from .compositing import composite
from .fast.forward import fast
from .feature_store import FeatureStore, feature_bytes
from .memory_estimates import BAND_BYTES, bytes_per_pixel, features_per_pixel, pixels_in, square_tile
from .pipeline import overflowed, widened_decoder
from .stylizer import Stylizer
from .tiling import MIN_TILE_SIZE, Box, Tile, TilePlan

_PIXELS_BYTES = 3 * 12  # of a tile's pixels as floats
# Pixels. Larger tiles have smaller halos but wider bands, so fewer rows in each and more of them computed twice.
_LARGEST_TILE = 2048
_GOOD_TILE = 1024  # pixels; features are kept in memory if at least this much is left for tiles


def least_memory(stylizer: Stylizer) -> int:
    """Bytes below which not even the smallest tiles fit, features in a file."""
    return BAND_BYTES + _tile_bytes(MIN_TILE_SIZE, stylizer)


class PixelSource(Protocol):
    """An image to read from."""

    size: tuple[int, int]  # height, width

    def read(self, rows: slice, columns: slice) -> Tensor:
        """Those pixels, ``[1, 3, h, w]`` RGB 0..1; slices may end past the image."""


class PixelSink(Protocol):
    """An image to write to."""

    def write(self, rows: slice, columns: slice, pixels: Tensor) -> None:
        """Takes pixels ``[1, 3, h, w]`` RGB, nominally 0..1."""


class Share(Protocol):
    """How much of each pixel is stylized."""

    def read(self, rows: slice, columns: slice) -> Tensor:
        """Of those pixels, ``[1, h, w]`` 0..1; slices may end past the image."""


class ImageInMemory:
    """An image in memory, as source and sink.

    Args:
        pixels: ``[1, 3, H, W]`` RGB 0..1; written to in place.

    Attributes:
        pixels: those.
        size: height and width.
    """

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels
        self.size: tuple[int, int] = (pixels.shape[2], pixels.shape[3])

    def read(self, rows: slice, columns: slice) -> Tensor:
        """Those pixels, ``[1, 3, h, w]``; slices may end past the image."""
        return self.pixels[:, :, rows, columns]

    def write(self, rows: slice, columns: slice, pixels: Tensor) -> None:
        """Takes pixels ``[1, 3, h, w]`` from any device."""
        self.pixels[:, :, rows, columns] = pixels


@dataclass(frozen=True)
class _Prepared:
    """One application of AdaIN, the content's statistics for it known."""

    style: Statistics
    mask: Tensor | None
    content: Statistics


@torch.inference_mode()
def stylize_stream(
    stylizer: Stylizer,
    source: PixelSource,
    sink: PixelSink,
    applications: Sequence[Application],
    alpha: float = 1.0,
    channels: Tensor | None = None,
    tile_size: int = 0,
    memory: int | None = None,
    folder: Path | None = None,
    share: Share | None = None,
    opacity: Tensor | None = None,
    progress: ProgressCallback | None = None,
    measured: Features | None = None,
) -> None:
    """Encode, AdaIN and decode, tile by tile; equal to `Stylizer.stylize` up to rounding.

    Args:
        stylizer: the models.
        source, sink: the image and where the result goes.
        applications: styles of batch 1, each with its mask on the feature grid, ``[1, ceil(H/8), ceil(W/8)]``, or None
            for everywhere; several, each with a mask, are regions, see `regions`.
        alpha: content-style trade-off, 0..1; 0 gives the content itself back.
        channels: channel mask ``[C]``.
        tile_size: side of the tiles in pixels; 0: as large as fits into the memory.
        memory: bytes this may use beside what the process occupies already; None: most of what is free.
        folder: for the features' file when they exceed the memory; None: they stay in memory in any case.
        share: what is left of the content's own pixels, see `compositing.composite`; None: all is stylized.
        opacity: how much the content counts in its statistics, on the feature grid as masks are, some of it above 0.
            Where it is 0 nothing is stylized. None: everywhere the same.
        progress: called with (done, total) after each tile of each pass.
        measured: the content's features at another size, see `content_statistics`.

    Raises:
        AdaINError: alpha outside 0..1, a style of another encoder, a decoder with instance normalization, too little
            memory, or no room in the folder.
    """
    check_alpha(alpha)
    if stylizer.decoder.normalization == "instance":
        raise AdaINError(
            "decoder: expected one without instance normalization, whose statistics are of the whole image, for an "
            "image in tiles; found one with it"
        )
    encoder = stylizer.encoder
    applications = [
        Application(style.seen_by(encoder.fingerprint, encoder.feature_channels), mask) for style, mask in applications
    ]
    if opacity is not None:
        applications = where_visible_only(applications, (opacity > 0).float())
    pending = [(style, mask) for style, mask in applications if mask is None or bool((mask > 0).any())]
    masks = [mask for _, mask in pending]
    regions = [mask for mask in masks if mask is not None]
    if len(regions) > 1:
        masks = [*shares(regions)]
    weights = [_weights(mask, opacity) for mask in masks]
    height, width = source.size
    grid = feature_size(height, width)
    dtype = next(stylizer.encoder.parameters()).dtype
    in_memory, largest = _plan_memory(stylizer, grid, memory, folder is not None)
    if stylizer.device.type != "cpu":
        fitting = pixels_in(budget(stylizer.device), encoder.feature_channels, dtype.itemsize)
        largest = min(largest, square_tile(fitting, _halo(stylizer)))
    store = FeatureStore(*grid, stylizer.encoder.feature_channels, dtype, None if in_memory else folder)
    to_encode, to_decode = (
        TilePlan(*grid, model.halo, tile_size or largest) for model in (stylizer.encoder, stylizer.decoder)
    )
    done, total = 0, len(to_encode) + len(to_decode)

    if alpha == 0:
        for tile in to_decode:
            rows, columns = _pixels(tile, source.size)
            sink.write(rows, columns, source.read(rows, columns))
        return

    def tell() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    encode = fast(stylizer.encoder)
    running = [RunningStatistics() for _ in pending]
    for tile in to_encode:
        pixels = source.read(*tile.outer.pixels).to(stylizer.device, dtype, memory_format=torch.channels_last)
        features = encode(pixels)[(..., *tile.inner.within(tile.outer).positions)]
        for one, weight in zip(running, weights, strict=True):
            one.add(features, _cut(weight, tile.inner))
        store.write(tile.inner, features)
        tell()
    ready: list[_Prepared] = []
    for (style, _), mask, one in zip(pending, masks, running, strict=True):
        known = one.statistics()
        if measured is not None:
            region = None if mask is None else to_size(mask, (measured.tensor.shape[2], measured.tensor.shape[3]))
            known = livelier(content_statistics(measured, region), known)
        ready.append(_Prepared(style.to(stylizer.device).statistics, mask, known))
    decode = fast(stylizer.decoder)
    for tile in to_decode:
        features = _apply(store.read(tile.outer).to(stylizer.device), ready, tile.outer, alpha, channels)
        rows, columns = _pixels(tile, source.size)
        pixels = decode(features.to(dtype))
        if overflowed(pixels, dtype):
            pixels = fast(widened_decoder(stylizer.decoder))(features.float())
        pixels = pixels[(..., *tile.inner.within(tile.outer).pixels)]
        pixels = pixels[..., : rows.stop - rows.start, : columns.stop - columns.start]
        if share is not None:
            pixels = composite(source.read(rows, columns), pixels.clamp(0, 1), share.read(rows, columns))
        sink.write(rows, columns, pixels)
        tell()


def _apply(features: Tensor, prepared: Sequence[_Prepared], box: Box, alpha: float, channels: Tensor | None) -> Tensor:
    result = features
    for each in prepared:
        result = adain(features, each.style, alpha, channels, _cut(each.mask, box), each.content, onto=result)
    return result


def _pixels(tile: Tile, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a tile, without its halo, that an image of that size has."""
    height, width = size
    rows, columns = tile.inner.pixels
    return slice(rows.start, min(rows.stop, height)), slice(columns.start, min(columns.stop, width))


def _weights(mask: Tensor | None, opacity: Tensor | None) -> Tensor | None:
    if mask is None or opacity is None:
        return opacity if mask is None else mask
    return where_visible(mask, opacity)


def _cut(mask: Tensor | None, box: Box) -> Tensor | None:
    return None if mask is None else mask[(slice(None), *box.positions)]


def _plan_memory(stylizer: Stylizer, grid: tuple[int, int], memory: int | None, can_spill: bool) -> tuple[bool, int]:
    """Whether features are kept in memory, and the largest tile size beside them.

    Raises:
        AdaINError: less memory than the smallest tile needs.
    """
    if memory is None:
        memory = budget(torch.device("cpu"))
    for_tiles = memory - BAND_BYTES
    dtype = next(stylizer.encoder.parameters()).dtype
    features = feature_bytes(*grid, stylizer.encoder.feature_channels, dtype)
    in_memory = not can_spill or for_tiles - features >= _tile_bytes(_GOOD_TILE, stylizer)
    if in_memory:
        for_tiles -= features
    lacking = _tile_bytes(MIN_TILE_SIZE, stylizer) - for_tiles
    if lacking > 0:
        raise AdaINError(
            f"memory: expected at least {(memory + lacking) / 2**20:.0f} MiB beside what the program itself occupies, "
            f"found {max(memory, 0) / 2**20:.0f} MiB"
        )
    return in_memory, min(square_tile(for_tiles // _tile_bytes_per_pixel(stylizer), _halo(stylizer)), _LARGEST_TILE)


def _halo(stylizer: Stylizer) -> int:
    """The wider of the models' halos, in positions on the feature grid."""
    return max(stylizer.encoder.halo, stylizer.decoder.halo)


def _tile_bytes(tile_size: int, stylizer: Stylizer) -> int:
    return _tile_bytes_per_pixel(stylizer) * (tile_size + 2 * _halo(stylizer) * STRIDE) ** 2


def _tile_bytes_per_pixel(stylizer: Stylizer) -> int:
    """The networks' own, a tile's features after AdaIN, and its pixels. The fine pair took 215 bytes in all."""
    channels = stylizer.encoder.feature_channels
    return bytes_per_pixel(channels) + features_per_pixel(channels) + _PIXELS_BYTES
