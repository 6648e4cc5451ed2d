"""The three steps, each with only the model it needs: encode, apply a style, decode.

Images larger than memory go through in tiles that overlap by the full receptive field, batches in chunks; neither
changes the result.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..errors import check_batch
from ..images.resize import scale_short_side
from ..memory import budget
from ..method.content_statistics import apply_on_grid
from ..method.features import STRIDE, Features, feature_size
from ..method.normalization import Statistics, check_not_empty
from ..method.regions import regions_on_grid, shares
from ..method.spatial_masks import to_feature_grid
from ..method.style import Style, check_same_encoder, check_style_size
from ..models.decoder import check_features
from ..models.model_files import AnyDecoder, AnyEncoder
from ..models.vgg import check_images
from ..progress import ProgressCallback
from .fast.forward import fast
from .gpu_copies import from_device, to_device
from .memory_estimates import automatic_tile_size, pixels_in
from .tap_tiles import has_layers, shallow_statistics
from .tiling import MIN_TILE_SIZE, Box, Tile, TilePlan, check_tile_size

# Pixels of a batch that go through together. With more the maps between two chains leave the cache.
_CHUNK_PIXELS = 1 << 20


@torch.inference_mode()
def encode(
    encoder: AnyEncoder,
    images: Tensor,
    mask: Tensor | None = None,
    tile_size: int = 0,
    progress: ProgressCallback | None = None,
    device: torch.device | str | None = None,
    memory: int | None = None,
    statistics_size: int = 0,
) -> Features:
    """Encodes images on the encoder's device.

    Args:
        encoder: from `model_files.load_encoder`.
        images: ``[B, 3, H, W]`` RGB 0..1, on any device.
        mask: ``[B or 1, h, w]`` 0..1 over the image; the features' statistics are taken only from there.
        tile_size: side of the tiles in pixels; 0: as large as fits into memory.
        progress: called after each tile.
        device: where the features are collected; None: on the encoder's device.
        memory: bytes the computation may take; None: most of what is free.
        statistics_size: the short side, pixels, at which style and statistics are taken: the images are encoded at
            that size, too, see `Features.measured`; 0: as they are.

    Returns:
        Features.

    Raises:
        AdaINError: images or mask of another shape, a mask batch that does not fit, quoting both sizes, an empty
            mask, or a statistics size below 0.
    """
    check_images(images)
    check_style_size(statistics_size, "statistics size")
    batch, _, height, width = images.shape
    weights = None
    if mask is not None:
        weights = _on_feature_grid(mask, (height, width), batch, "the image")
        check_not_empty(weights)  # now, rather than when the statistics are asked for
    grid = feature_size(height, width)
    work = _Work(encoder, (height, width), batch, tile_size, memory)
    target = torch.device(device) if device is not None else work.device

    def cut(samples: slice, box: Box) -> Tensor:
        return images[(samples, slice(None), *box.pixels)]

    def keep(tile: Tile, part: Tensor) -> Tensor:
        return part[(..., *tile.inner.within(tile.outer).positions)]

    if work.single:
        ((_, _, tensor),) = work.outputs(cut, keep, target, progress)
    else:
        tensor = _empty((batch, encoder.feature_channels, *grid), work.dtype, target)
        for samples, tile, part in work.outputs(cut, keep, target, progress):
            tensor[(samples, slice(None), *tile.inner.positions)] = part

    weights = None if weights is None else weights.to(target)

    def shallow(region: Tensor | None) -> list[Statistics]:
        return shallow_statistics(encoder, images, mask if region is None else region, tile_size, memory)

    layers = shallow if has_layers(encoder) else None
    measured = None
    if statistics_size not in (0, min(height, width)):
        scaled = scale_short_side(images, statistics_size)
        measured = encode(encoder, scaled, mask, tile_size, device=device, memory=memory)
    image = None if layers is None else images
    return Features(tensor, (height, width), encoder.fingerprint, weights, layers, measured, image)


@torch.inference_mode()
def apply_style(
    content: Features,
    style: Style,
    alpha: float = 1.0,
    channels: Tensor | None = None,
    mask: Tensor | None = None,
) -> Features:
    """AdaIN on features, on the content's device.

    Args:
        content: the content's features, normalized by their `content_statistics`.
        style: what they shall look like; a batch of 1 is broadcast.
        alpha: content-style trade-off, 0..1.
        channels: channel mask ``[C]``, 0..1.
        mask: spatial mask over the content image, ``[B or 1, h, w]`` 0..1; the content's statistics are then taken
            inside it.

    Raises:
        AdaINError: features and style of different encoders, or anything `adain.adain` refuses.
    """
    style = style.seen_by(content.encoder_id, content.tensor.shape[1])
    if mask is not None:
        mask = _on_feature_grid(mask, content.size, content.tensor.shape[0])
    return apply_on_grid(content, style.to(content.tensor.device).statistics, alpha, channels, mask)


@torch.inference_mode()
def apply_regions(
    content: Features,
    styles: Sequence[Style],
    masks: Sequence[Tensor],
    alpha: float = 1.0,
    channels: Tensor | None = None,
) -> Features:
    """AdaIN on features, each style in a region of its own, on the content's device, see `regions`.

    Args:
        content, alpha, channels: as in `apply_style`.
        styles: at least one; a batch of 1 is broadcast.
        masks: one per style, as in `apply_style`.

    Raises:
        AdaINError: as `apply_style`.
    """
    styles = [style.seen_by(content.encoder_id, content.tensor.shape[1]) for style in styles]
    device, batch = content.tensor.device, content.tensor.shape[0]
    grids = [_on_feature_grid(mask, content.size, batch).to(device) for mask in masks]
    return regions_on_grid(content, [style.to(device).statistics for style in styles], shares(grids), alpha, channels)


@torch.inference_mode()
def decode(
    decoder: AnyDecoder,
    features: Features,
    tile_size: int = 0,
    progress: ProgressCallback | None = None,
    device: torch.device | str | None = None,
    memory: int | None = None,
) -> Tensor:
    """Decodes features on the decoder's device.

    Args:
        decoder: from `model_files.load_decoder`.
        features: on any device.
        tile_size, progress, memory: as in `encode`.
        device: where the images are collected; None: on the decoder's device.

    Returns:
        ``[B, 3, H, W]`` float32 RGB 0..1, of exactly the content's size.

    Raises:
        AdaINError: a decoder trained for another encoder.
    """
    check_same_encoder(decoder.trained_for, features.encoder_id)
    check_features(features.tensor, features.size, decoder.feature_channels)
    batch = features.tensor.shape[0]
    height, width = features.size
    if decoder.normalization == "instance":
        # Its statistics are of the whole map: tiles would each have their own.
        tile_size = max(MIN_TILE_SIZE, STRIDE * max(features.tensor.shape[2:]))
    work = _Work(decoder, features.size, batch, tile_size, memory)
    target = torch.device(device) if device is not None else work.device
    images = _empty((batch, 3, height, width), torch.float32, target)

    def cut(samples: slice, box: Box) -> Tensor:
        return features.tensor[(samples, slice(None), *box.positions)]

    def keep(tile: Tile, part: Tensor) -> Tensor:
        rows, columns = images[(0, 0, *tile.inner.pixels)].shape
        return part[(..., *tile.inner.within(tile.outer).pixels)][..., :rows, :columns].clamp_(0, 1)

    for samples, tile, part in work.outputs(cut, keep, target, progress):
        images[(samples, slice(None), *tile.inner.pixels)] = part
    if overflowed(images, work.dtype):
        return decode(widened_decoder(decoder), features, tile_size, progress, device, memory)
    return images


def overflowed(pixels: Tensor, dtype: torch.dtype) -> bool:
    """Whether a decoder in that type met values beyond it on the way to these pixels, as styles far beyond those of
    pictures give. Then sums of infinities are among them."""
    return dtype == torch.float16 and not bool(pixels.amax().isfinite())


def widened_decoder(decoder: AnyDecoder) -> AnyDecoder:
    """A copy in float32, for what overflows in float16."""
    return copy.deepcopy(decoder).float()


class _Work:
    """One model over a batch of images: which samples and tiles at a time."""

    def __init__(
        self, model: AnyEncoder | AnyDecoder, size: tuple[int, int], batch: int, tile_size: int, memory: int | None
    ) -> None:
        parameter = next(model.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self.run = fast(model)
        self.batch = batch
        channels, value = model.feature_channels, self.dtype.itemsize
        available = budget(self.device) if memory is None else memory
        self.plan = TilePlan(
            *feature_size(*size),
            model.halo,
            check_tile_size(tile_size) or automatic_tile_size(*size, model.halo, available, channels, value),
        )
        pixels = max(_pixels(tile.outer, size) for tile in self.plan)
        self.chunk = min(max(min(pixels_in(available, channels, value), _CHUNK_PIXELS) // pixels, 1), batch)

    @property
    def single(self) -> bool:
        """Whether everything fits through at once."""
        return self.chunk == self.batch and len(self.plan) == 1

    def outputs(
        self,
        cut: Callable[[slice, Box], Tensor],
        keep: Callable[[Tile, Tensor], Tensor],
        target: torch.device,
        progress: ProgressCallback | None,
    ) -> Iterator[tuple[slice, Tile, Tensor]]:
        """Yields ``(samples, tile, output)``, the halo cropped off, and tells the progress after each.

        Args:
            cut: the model's input for samples and a box.
            keep: the model's output for a tile without the halo.
            target: the device the outputs are needed on.
        """
        starts = range(0, self.batch, self.chunk)
        parts = [(slice(start, min(start + self.chunk, self.batch)), tile) for start in starts for tile in self.plan]
        inputs = to_device(((part, cut(part[0], part[1].outer)) for part in parts), self.device, self.dtype)
        outputs = ((part, keep(part[1], self.run(x))) for part, x in inputs)
        for done, ((samples, tile), x) in enumerate(from_device(outputs, self.device, target), 1):
            yield samples, tile, x
            if progress is not None:
                progress(done, len(parts))


def _pixels(box: Box, size: tuple[int, int]) -> int:
    """How many pixels of an image of that size a box has."""
    rows, columns = (int(min(side.stop, length) - side.start) for side, length in zip(box.pixels, size, strict=True))
    return rows * columns


def _empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last)


def _on_feature_grid(mask: Tensor, size: tuple[int, int], batch: int, like: str = "the content") -> Tensor:
    weights = to_feature_grid(mask, size)
    check_batch("mask", weights.shape[0], batch, like)
    return weights
