"""Stylizes an image file: at once, in tiles over the image in memory, or from file to file, as memory allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import torch
from torch import Tensor

from ..errors import AdaINError
from ..files import check_not_read
from ..images.color import ColorMatch
from ..images.files import (
    Picture,
    brightness,
    check_sides,
    check_writable,
    count_pixels,
    load_mask,
    load_picture,
    save_picture,
    scaled,
)
from ..images.large_files import LIBVIPS_BYTES, LargeImage, LargeResult
from ..memory import budget, resident_memory
from ..method import channel_masks
from ..method.adain import check_alpha
from ..method.features import STRIDE, feature_size
from ..method.spatial_masks import (
    check_feather,
    feathered,
    over_pixels,
    soften,
    to_feature_grid,
    to_size,
    where_visible,
)
from ..method.style import Style, check_style_size
from ..models.channel_clusters import clusters_for
from ..models.style_library import is_style_file, read_style
from ..progress import ProgressCallback
from .applications import check_controls, plan_applications
from .compositing import composite, stylized_share
from .frames import smaller_side, weighted
from .memory_estimates import color_memory, picture_memory, whole_memory
from .refinement import check_refinement
from .stylizer import Stylizer
from .tiled_image import ImageInMemory, PixelSink, PixelSource, Share, least_memory, stylize_stream

DEFAULT_STYLE_SIZE = 512  # pixels, the short side
_ROWS = 64 * STRIDE  # of a mask at a time


@dataclass(frozen=True)
class FileJob:
    """What to make of which files.

    Attributes:
        content: the image to stylize.
        styles: style images or style files, at least one.
        output: ``.png`` or ``.jpg``; replaced when it exists.
        alpha: content-style trade-off, 0..1.
        weights: one per style, scaled to sum to 1; None: equal.
        masks: mask images, white where to stylize: none, one for all styles, or one per style, see `regions`.
        preserve_color: keep the content's colours.
        color: how: in the style images first, or in the result.
        style_size: style images are scaled to this short side, pixels; 0: as they are.
        refine: steps of `refinement.refine` after the decoder.
        detail_size: the content's statistics are taken at this short side, pixels; 0, or more than it has: as it is.
        feather: width of the masks' soft edges, pixels; 0: the masks as they are.
        style_masks: mask images, white where a style image's statistics are taken: none, or one per style.
        channels: which channels take the style, as of `channel_masks.from_list`, with names of clusters; None: all.

    Raises:
        AdaINError: a value outside its range, numbers that do not fit, or an output that cannot be written.
    """

    content: str | Path
    styles: Sequence[str | Path]
    output: str | Path
    alpha: float = 1.0
    weights: Sequence[float] | None = None
    masks: Sequence[str | Path] = ()
    preserve_color: bool = False
    style_size: int = DEFAULT_STYLE_SIZE
    refine: int = 0
    color: ColorMatch = field(default_factory=ColorMatch)
    detail_size: int = 0
    feather: float = 0.0
    style_masks: Sequence[str | Path] = ()
    channels: str | None = None

    def __post_init__(self) -> None:
        check_writable(self.output)
        check_not_read(self.output, (self.content, *self.styles, *self.masks, *self.style_masks))
        check_alpha(self.alpha)
        check_controls(len(self.styles), self.weights, len(self.masks))
        check_style_size(self.style_size)
        check_style_size(self.detail_size, "detail size")
        if check_feather(self.feather) > 0 and not self.masks:
            raise AdaINError("feather: expected a mask, whose edges become soft, found none")
        if len(self.style_masks) not in (0, len(self.styles)):
            raise AdaINError(
                f"style masks: expected none, or one for each of {len(self.styles)} styles, "
                f"found {len(self.style_masks)}"
            )
        encoded = [path for path in self.styles if is_style_file(path)]
        if encoded and self.style_masks:
            raise AdaINError(f"{encoded[0]}: expected style images, of which a part can be masked, found a style file")
        if self.colors_before and encoded:
            raise AdaINError(
                f"{encoded[0]}: expected style images, to give them the content's colours, found a style file; "
                "match the colours after stylizing"
            )

    @property
    def colors_before(self) -> bool:
        """Whether the style images get the content's colours."""
        return self.preserve_color and not self.color.after

    @property
    def colors_after(self) -> bool:
        """Whether the result gets the content's colours."""
        return self.preserve_color and self.color.after


def stylize_file(
    stylizer: Stylizer, job: FileJob, max_memory: int | None = None, progress: ProgressCallback | None = None
) -> None:
    """Stylizes an image file of any size.

    At once where image and features fit into memory. Else tile by tile: from file to file, or over the image in
    memory where libvips is missing or does not read the files.

    Args:
        stylizer: the models.
        job: the files and controls.
        max_memory: bytes the process may occupy in all; None: most of the free memory.
        progress: called with (done, total) after each tile.

    Raises:
        AdaINError: files that cannot be read or written, or too little memory.
    """
    check_refinement(job.refine, stylizer.encoder)
    channels = _channels(stylizer, job)
    memory = budget(torch.device("cpu")) if max_memory is None else max_memory - resident_memory()
    refined = job.refine > 0
    needed = whole_memory(count_pixels(job.content), stylizer.encoder.feature_channels, refined)
    needed += picture_memory(sum(map(count_pixels, job.masks)))
    if job.colors_after:
        needed += color_memory(count_pixels(job.content))
    # A GPU's own memory must hold the image's features, too.
    available = min(memory, budget(stylizer.device))
    if needed <= available:
        _at_once(stylizer, job, channels, memory, progress)
        return
    if refined:
        raise AdaINError(
            f"refine: expected {needed / 2**20:.0f} MiB for an image of this size, which refining keeps in memory as a "
            f"whole, found {max(available, 0) / 2**20:.0f} MiB; scale it down, or use 0 steps"
        )
    held = picture_memory(sum(map(count_pixels, [job.content, *job.masks])))
    if job.colors_after:
        held += color_memory(count_pixels(job.content))
        lacking = held + least_memory(stylizer) - memory
        if lacking > 0:
            raise AdaINError(
                f"color: expected {lacking / 2**20:.0f} MiB more to match the colours of the whole result in memory; "
                "match them before stylizing"
            )
        _in_memory(stylizer, job, channels, memory - held, progress)
        return
    try:
        content, masks = LargeImage(job.content), [LargeImage(path) for path in job.masks]
    except AdaINError:
        if held + least_memory(stylizer) > memory:
            raise
        _in_memory(stylizer, job, channels, memory - held, progress)
    else:
        _file_to_file(stylizer, job, channels, content, masks, memory - LIBVIPS_BYTES, max_memory, progress)


def load_styles(paths: Sequence[str | Path], side: int, memory: int | None = None) -> list[Picture]:
    """Style images.

    Args:
        paths: image files.
        side: scale them to this short side, pixels; 0: as they are.
        memory: bytes that reading each may take; None: most of the free memory.

    Raises:
        AdaINError: a file that cannot be read, or one too large for the memory with side 0.
    """
    memory = budget(torch.device("cpu")) if memory is None else memory
    return [_load_style(path, side, memory) for path in paths]


def _load_style(path: str | Path, side: int, memory: int) -> Picture:
    if picture_memory(count_pixels(path)) <= memory:
        return scaled(load_picture(path), side)
    if side == 0:
        raise AdaINError(f"style size: expected a size for {path}, a style too large for the memory allowed, found 0")
    return LargeImage(path).scaled(side)


def _channels(stylizer: Stylizer, job: FileJob) -> Tensor | None:
    if job.channels is None:
        return None
    count = stylizer.encoder.feature_channels
    return channel_masks.from_list(job.channels, count=count, clusters=clusters_for(count))


def _at_once(
    stylizer: Stylizer, job: FileJob, channels: Tensor | None, memory: int, progress: ProgressCallback | None
) -> None:
    content = load_picture(job.content)
    check_sides(job.output, content.pixels.shape[2:])
    size = content.pixels.shape[2], content.pixels.shape[3]
    masks = [feathered(load_mask(path), size, job.feather) for path in job.masks]
    memory -= picture_memory(content.pixels[0, 0].numel())
    styles = _encoded_styles(stylizer, job, content if job.colors_before else None, memory)
    result = content.pixels
    if job.alpha > 0:
        result = stylizer.stylize(
            content.filled,
            styles,
            alpha=job.alpha,
            weights=job.weights,
            channels=channels,
            masks=masks,
            memory=min(memory, budget(stylizer.device)),
            progress=progress,
            opacity=content.weights,
            refine=job.refine,
            detail_size=job.detail_size,
        )
        result = _recolored(job, content, result, masks)
    save_picture(job.output, replace(content, pixels=result))


def _recolored(job: FileJob, content: Picture, result: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """The result with the content's colours where that is asked for; outside the masks the content's own pixels."""
    if not job.colors_after:
        return result
    matched = job.color(result, content.filled.to(result), content.weights, content.weights)
    if not masks:
        return matched
    return composite(content.filled, matched, stylized_share(masks, (result.shape[2], result.shape[3])))


def _in_memory(
    stylizer: Stylizer, job: FileJob, channels: Tensor | None, memory: int, progress: ProgressCallback | None
) -> None:
    content = load_picture(job.content)
    pixels = content.filled if job.alpha > 0 else content.pixels
    source, result = ImageInMemory(pixels), ImageInMemory(torch.empty_like(pixels))
    check_sides(job.output, source.size)
    masks = [feathered(load_mask(path), source.size, job.feather) for path in job.masks]
    share = _InMemory(stylized_share(masks, source.size)) if masks else None
    weights = [to_feature_grid(mask, source.size) for mask in masks]
    opacity = None if content.weights is None else to_feature_grid(content.weights, source.size)
    with _scratch_folder(job.output) as folder:
        _in_tiles(
            stylizer,
            job,
            channels,
            source,
            result,
            content if job.colors_before else None,
            weights,
            share,
            opacity,
            memory,
            Path(folder),
            progress,
            _seen_smaller(job, content, source.size),
        )
    made = _recolored(job, content, result.pixels, masks) if job.alpha > 0 else result.pixels
    save_picture(job.output, replace(content, pixels=made))


def _file_to_file(
    stylizer: Stylizer,
    job: FileJob,
    channels: Tensor | None,
    content: LargeImage,
    masks: Sequence[LargeImage],
    memory: int,
    max_memory: int | None,
    progress: ProgressCallback | None,
) -> None:
    lacking = least_memory(stylizer) - memory
    if lacking > 0:
        allowed = "most of the free memory" if max_memory is None else f"{max_memory / 2**20:.0f} MiB"
        raise AdaINError(
            f"memory: expected {lacking / 2**20:.0f} MiB more than {allowed} to stylize even in the smallest tiles"
        )
    stretched = [mask.stretched(content.size) for mask in masks]
    weights = [mask.on_feature_grid() for mask in stretched]
    regions: Sequence[_Weights] = stretched
    if job.feather:
        soft = [_Feathered(weight, job.feather, content.size) for weight in weights]
        regions, weights = soft, [one.on_feature_grid() for one in soft]
    share = _Sum(regions) if regions else None
    opacity = content.opacity_on_feature_grid()
    source: PixelSource = content if job.alpha > 0 else _Own(content)
    colors = Picture(*content.sample()) if job.colors_before else None
    with _scratch_folder(job.output) as folder:
        result = LargeResult(job.output, content.size, Path(folder))
        given = source, result, colors, weights, share, opacity, memory, Path(folder), progress
        _in_tiles(stylizer, job, channels, *given, _seen_smaller(job, content, content.size))
        result.save(content.opacity)


def _scratch_folder(output: str | Path) -> TemporaryDirectory[str]:
    """A folder beside the output, where there is room for it and so for files of its size."""
    parent = Path(output).parent
    parent.mkdir(parents=True, exist_ok=True)
    return TemporaryDirectory(prefix=".stylize.", dir=parent)


def _in_tiles(
    stylizer: Stylizer,
    job: FileJob,
    channels: Tensor | None,
    source: PixelSource,
    sink: PixelSink,
    colors: Picture | None,
    masks: Sequence[Tensor],
    share: Share | None,
    opacity: Tensor | None,
    memory: int,
    folder: Path,
    progress: ProgressCallback | None,
    seen: Picture | None,
) -> None:
    measured = None
    if seen is not None:
        measured = stylizer.encode(seen.filled, memory=min(memory, budget(stylizer.device)))
        measured = measured if seen.weights is None else weighted(measured, seen.weights)
    styles = _encoded_styles(stylizer, job, colors, memory)
    applications = plan_applications(styles, job.weights, masks, feature_size(*source.size))
    stylize_stream(
        stylizer,
        source,
        sink,
        applications,
        job.alpha,
        channels,
        memory=memory,
        folder=folder,
        share=share,
        opacity=opacity,
        progress=progress,
        measured=measured,
    )


def _seen_smaller(job: FileJob, content: Picture | LargeImage, size: tuple[int, int]) -> Picture | None:
    """The content at the size its statistics are taken at; None where that is its own."""
    side = smaller_side(job.detail_size, size)
    if not side:
        return None
    return content.scaled(side) if isinstance(content, LargeImage) else scaled(content, side)


def _encoded_styles(stylizer: Stylizer, job: FileJob, colors: Picture | None, memory: int) -> list[Style]:
    """The styles, with the colours of a picture if there is one."""
    styles = []
    for k, path in enumerate(job.styles):
        if is_style_file(path):
            styles.append(read_style(path, stylizer.encoder.fingerprint))
            continue
        (picture,) = load_styles([path], job.style_size, memory - least_memory(stylizer))
        left = min(memory - picture_memory(picture.pixels[0, 0].numel()), budget(stylizer.device))
        weights = picture.weights
        if job.style_masks:
            weights = _style_mask(job.style_masks[k], picture, job.style_size, memory - least_memory(stylizer))
        pixels, opacity = (None, None) if colors is None else (colors.pixels, colors.weights)
        given = picture.filled, weights, 0, left, pixels, opacity
        styles.append(stylizer.style(*given, layers=job.refine > 0, color_match=job.color))
    return styles


def _style_mask(path: str | Path, style: Picture, side: int, memory: int) -> Tensor:
    """A mask over a style image, ``[1, H, W]`` 0..1, of its visible pixels."""
    mask = brightness(_load_style(path, side, memory))
    if not bool((mask > 0).any()):
        raise AdaINError(f"{path}: expected a style mask with some white in it, found an empty one")
    mask = to_size(mask, (style.pixels.shape[2], style.pixels.shape[3]))
    return mask if style.weights is None else where_visible(mask, style.weights[None])


class _InMemory:
    """A share of an image in memory, ``[1, H, W]``."""

    def __init__(self, share: Tensor) -> None:
        self._share = share

    def read(self, rows: slice, columns: slice) -> Tensor:
        return self._share[:, rows, columns]


class _Own:
    """An image file with its own colours where it is transparent."""

    def __init__(self, image: LargeImage) -> None:
        self._image = image
        self.size = image.size

    def read(self, rows: slice, columns: slice) -> Tensor:
        return self._image.own(rows, columns)


class _Weights(Protocol):
    """A mask of the content's size that is read in parts."""

    def weights(self, rows: slice, columns: slice) -> Tensor:
        """Of those pixels, ``[1, h, w]`` 0..1; slices may end past the image."""


class _Feathered:
    """A mask with soft edges, as `spatial_masks.feathered` makes them; only the feature grid is in memory.

    Args:
        weights: the mask on the feature grid, ``[1, h, w]``.
        width: of the edges, pixels.
        size: height and width of the image.
    """

    def __init__(self, weights: Tensor, width: float, size: tuple[int, int]) -> None:
        self._weights, self._size = soften(weights, width), size

    def weights(self, rows: slice, columns: slice) -> Tensor:
        height, width = self._size
        rows, columns = slice(rows.start, min(rows.stop, height)), slice(columns.start, min(columns.stop, width))
        return over_pixels(self._weights, rows, columns)

    def on_feature_grid(self) -> Tensor:
        """The mean over each position's 8x8 pixels, ``[1, ceil(H/8), ceil(W/8)]``."""
        height, width = self._size
        bands = [slice(top, min(top + _ROWS, height)) for top in range(0, height, _ROWS)]

        def pooled(rows: slice) -> Tensor:
            part = self.weights(rows, slice(0, width))
            return to_feature_grid(part, (part.shape[1], part.shape[2]))

        return torch.cat([pooled(band) for band in bands], dim=1)


class _Sum:
    """The share of several masks."""

    def __init__(self, masks: Sequence[_Weights]) -> None:
        self._masks = masks

    def read(self, rows: slice, columns: slice) -> Tensor:
        return torch.stack([mask.weights(rows, columns) for mask in self._masks]).sum(dim=0).clamp(0, 1)
