"""Encode, AdaIN, decode: in one place for Python, the nodes, videos and data sets.

A few images at a time go through all three, so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from ..errors import AdaINError, check_batch
from ..images.color import match_color
from ..images.resize import scale_short_side
from ..method.adain import check_alpha
from ..method.features import Features
from ..method.spatial_masks import check_feather, feathered, to_feature_grid, to_size, visible_positions
from ..method.style import Style, check_style_size
from ..progress import ProgressCallback, stage
from .applications import Application, check_controls, in_shares, plan_applications, where_visible_only
from .compositing import composite, stylized_share
from .pipeline import apply_regions, apply_style
from .refinement import RefinementGoal, refinement_goals

_CHUNK = 8  # images at a time: their features are up to six times as large as they are
_TICKS = 100  # of the progress, for each chunk
_REFINING = 4  # a step takes about as long as so many encodings


class Models(Protocol):
    """An encoder and a decoder trained for it, on whichever device: `Stylizer`, or what ComfyUI manages."""

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
        """As `pipeline.encode`."""

    def decode(
        self,
        features: Features,
        *,
        tile_size: int = 0,
        progress: ProgressCallback | None = None,
        memory: int | None = None,
    ) -> Tensor:
        """As `pipeline.decode`."""

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
        """As `refinement.refine`, with the decoder or without."""


class Smoother(Protocol):
    """What makes the frames of a video calm, see `smoothing.TemporalSmoother`."""

    @property
    def blends(self) -> bool: ...

    def apply(
        self, content: Features, style: Style, alpha: float, channels: Tensor | None, mask: Tensor | None
    ) -> tuple[Features, list[bool]]: ...

    def carried(self, output: Tensor, frame: Tensor, cut: bool) -> Tensor: ...

    def blend(
        self, outputs: Tensor, frames: Tensor, cuts: Sequence[bool], progress: ProgressCallback | None
    ) -> Tensor: ...


def stylize_frames(
    models: Models,
    content: Tensor,
    styles: Sequence[Tensor | Style],
    alpha: float = 1.0,
    weights: Sequence[float] | None = None,
    channels: Tensor | None = None,
    masks: Sequence[Tensor] = (),
    preserve_color: bool = False,
    smoother: Smoother | None = None,
    progress: ProgressCallback | None = None,
    memory: int | None = None,
    opacity: Tensor | None = None,
    refine: int = 0,
    style_size: int = 0,
    detail_size: int = 0,
    feather: float = 0.0,
    style_masks: Sequence[Tensor | None] = (),
) -> Tensor:
    """Stylizes images, or the frames of one video in their order.

    Args:
        models: the pair.
        content: ``[B, 3, H, W]`` RGB 0..1.
        styles: images ``[B or 1, 3, h, w]`` or encoded styles of batch B or 1.
        alpha: content-style trade-off, 0..1; 0 gives the content itself back.
        weights: one per style, scaled to sum to 1; None: equal.
        channels: channel mask ``[C]``.
        masks: spatial masks over the content, ``[B or 1, h, w]`` 0..1: none, one for all styles together, or one per
            style, which is then applied inside it, all at once. Where they add up to 0 the content's own pixels stay.
        preserve_color: give each style image the content's colours first.
        smoother: for the frames of a video, with one application; None: each image by itself.
        progress: called with (done, total) as the work goes on; whatever it raises stops it.
        memory: bytes each model may take at a time, see `pipeline.encode`.
        opacity: how much the content's pixels count in its statistics, ``[B or 1, H, W]`` or ``[H, W]`` 0..1, some
            above 0 in each. Where it is 0 nothing is stylized. None: all the same.
        refine: steps of `refinement.refine` after the decoder: through it for images by themselves, on the pixels for
            the frames of a video. Through it strokes find other places in each frame.
        style_size: the short side, pixels, at which style images are seen, which sets the size of the strokes; 0: as
            they are.
        detail_size: the short side, pixels, at which the content's statistics are taken, see `content_statistics`; one
            below the content's calms fine detail. 0, or more than it has: as it is.
        feather: width of the masks' soft edges in pixels, see `spatial_masks.feathered`; 0: the masks as they are.
        style_masks: how much the pixels of each style's images count in its statistics, ``[B or 1, h, w]`` 0..1, some
            above 0 in each; None: all the same. None at all: so for every style.

    Returns:
        ``[B, 3, H, W]`` float32 RGB 0..1, where the models put their results.

    Raises:
        AdaINError: anything above that does not fit, in one sentence.
    """
    check_alpha(alpha)
    check_controls(len(styles), weights, len(masks))
    check_style_size(style_size)
    check_style_size(detail_size, "detail size")
    count = content.shape[0]
    for style in styles:
        check_batch("style", _batch(style), count)
    size = content.shape[2], content.shape[3]
    masks = [mask[None] if mask.ndim == 2 else mask for mask in masks]
    if check_feather(feather):
        masks = [feathered(mask, size, feather) for mask in masks]
    for mask in masks:
        check_batch("mask", mask.shape[0], count)
    if alpha == 0:
        if progress is not None:
            progress(1, 1)
        return content.float()
    if opacity is not None and opacity.ndim == 2:
        opacity = opacity[None]
    parts = chunks(count)
    blends = smoother is not None and smoother.blends
    stages = [*[1] * len(styles), 1, 1]
    if refine:
        stages.append(_REFINING * refine)  # with each frame's blending
    elif blends:
        stages.append(1)
    ticks = _Ticks(progress, len(parts), stages)
    known: dict[int, Style] = {}
    result: Tensor | None = None
    for chunk in parts:
        images = content[chunk]
        visible = None if opacity is None else part_of(opacity, chunk)
        encoded = []
        for k, style in enumerate(styles):
            if k not in known:
                colors = (images, visible) if preserve_color else None
                seen = style_masks[k] if style_masks else None
                known[k] = _encoded(models, style, seen, chunk, colors, style_size, ticks.next(), memory)
            else:
                ticks.skip()
            encoded.append(known[k])
            if preserve_color or _batch(style) > 1:
                del known[k]
        applications = plan_applications(encoded, weights, [part_of(mask, chunk) for mask in masks], size)
        seen_at = smaller_side(detail_size, images.shape)
        features = models.encode(images, progress=ticks.next(), memory=memory, statistics_size=seen_at)
        if visible is not None:
            features = weighted(features, visible)
            applications = where_visible_only(applications, visible_positions(visible))
        cuts: list[bool] = []
        if smoother is None:
            target = applied(features, applications, alpha, channels)
        else:
            ((style, region),) = applications
            target, cuts = smoother.apply(features, style, alpha, channels, region)
        decoded = models.decode(target, progress=ticks.next(), memory=memory)
        refined = None
        if refine:
            goals = refinement_goals(target, in_shares(applications), alpha, channels)
            refined = _Refinement(models, target, goals, refine, smoother is None, ticks.next(), memory)
        if smoother is not None and blends:
            if refined is None:
                decoded = smoother.blend(decoded, images, cuts, ticks.next())
            else:
                decoded = _refined_and_blended(smoother, decoded, images, cuts, refined)
        elif refined is not None:
            decoded = refined(decoded)
        if masks:
            share = stylized_share([part_of(mask, chunk) for mask in masks], size)
            decoded = composite(images, decoded, share)
        if len(parts) == 1:
            return decoded
        if result is None:
            result = torch.empty(
                content.shape, dtype=decoded.dtype, device=decoded.device, memory_format=torch.channels_last
            )
        result[chunk] = decoded
    assert result is not None
    return result


def restyle(
    models: Models,
    features: Features,
    applications: Sequence[Application],
    alpha: float = 1.0,
    channels: Tensor | None = None,
    tile_size: int = 0,
    progress: ProgressCallback | None = None,
    memory: int | None = None,
) -> Tensor:
    """AdaIN and decode.

    Args:
        models, alpha, channels, progress, memory: as in `stylize_frames`.
        features: the content's.
        applications: masks over the image, ``[B or 1, h, w]``.
        tile_size: as in `pipeline.decode`.

    Returns:
        ``[B, 3, H, W]`` float32 RGB 0..1.
    """
    features = applied(features, applications, alpha, channels)
    return models.decode(features, tile_size=tile_size, progress=progress, memory=memory)


def applied(
    features: Features, applications: Sequence[Application], alpha: float = 1.0, channels: Tensor | None = None
) -> Features:
    """The content's features after AdaIN: one application, or regions with a mask each."""
    if len(applications) == 1:
        ((style, mask),) = applications
        return apply_style(features, style, alpha, channels, mask)
    masks = [mask for _, mask in applications if mask is not None]
    return apply_regions(features, [style for style, _ in applications], masks, alpha, channels)


@dataclass(frozen=True)
class _Refinement:
    """`Models.refine` of a chunk, towards what AdaIN gave for it."""

    models: Models
    target: Features
    goals: Sequence[RefinementGoal]
    steps: int
    through_decoder: bool
    progress: ProgressCallback | None
    memory: int | None

    def __call__(self, images: Tensor) -> Tensor:
        """Of the whole chunk."""
        given = images, self.target, self.goals, self.steps
        return self.models.refine(
            *given, through_decoder=self.through_decoder, progress=self.progress, memory=self.memory
        )

    def sample(self, k: int, count: int) -> _Refinement:
        """Of one of so many samples of the chunk."""
        image = self.target.image
        image = None if image is None else image[k : k + 1]
        target = self.target._replace(tensor=self.target.tensor[k : k + 1], image=image)
        return replace(
            self, target=target, goals=[goal.sample(k) for goal in self.goals], progress=stage(self.progress, k, count)
        )


def _refined_and_blended(
    smoother: Smoother, outputs: Tensor, frames: Tensor, cuts: Sequence[bool], refined: _Refinement
) -> Tensor:
    """`Smoother.blend`, each frame refined before, beginning where the frames before led."""
    blended = []
    for k, cut in enumerate(cuts):
        output, frame = outputs[k : k + 1], frames[k : k + 1]
        output = refined.sample(k, len(cuts))(smoother.carried(output, frame, cut))
        blended.append(smoother.blend(output, frame, [cut], None))
    return torch.cat(blended)


def weighted(features: Features, opacity: Tensor) -> Features:
    """Features whose positions count in statistics as much as can be seen of them.

    Args:
        opacity: over the image, ``[B or 1, h, w]`` 0..1.
    """
    measured = None if features.measured is None else weighted(features.measured, opacity)
    mask = to_feature_grid(opacity, features.size).to(features.tensor.device)
    return features._replace(mask=mask, measured=measured)


def smaller_side(side: int, shape: Sequence[int]) -> int:
    """A side in pixels if images ``[.., H, W]`` are larger than that, else 0."""
    return side if side < min(shape[-2:]) else 0


def chunks(count: int) -> list[slice]:
    """A batch's samples, a few at a time; one empty chunk of an empty batch."""
    return [slice(start, min(start + _CHUNK, count)) for start in range(0, max(count, 1), _CHUNK)]


def part_of(x: Tensor, chunk: slice) -> Tensor:
    """The chunk of a batch; a batch of 1 is for all of them."""
    return x if x.shape[0] == 1 else x[chunk]


def _batch(style: Tensor | Style) -> int:
    return style.batch if isinstance(style, Style) else style.shape[0]


def _encoded(
    models: Models,
    style: Tensor | Style,
    mask: Tensor | None,
    chunk: slice,
    colors: tuple[Tensor, Tensor | None] | None,
    size: int,
    progress: ProgressCallback | None,
    memory: int | None,
) -> Style:
    """The style of a chunk's images inside their mask, with the colours of those others, which count so much, and at
    this size."""
    if isinstance(style, Style):
        for name, given in (("preserve_color", colors is not None), ("style size", size != 0)):
            if given:
                raise AdaINError(f"{name}: expected style images, found an encoded style")
        if style.batch == 1:
            return style
        return style.part(chunk)
    images = scale_short_side(part_of(style, chunk), size)
    mask = None if mask is None else to_size(part_of(mask, chunk), (images.shape[2], images.shape[3]))
    if colors is not None:
        others, opacity = colors
        images = images.expand(len(others), -1, -1, -1)
        images = match_color(images, others.to(images.device), weights=mask, reference_weights=opacity)
    return models.encode(images, mask, progress=progress, memory=memory).style


class _Ticks:
    """One progress for all chunks, told by each of the stages that a chunk has.

    Args:
        progress: told.
        parts: how many chunks.
        shares: of a chunk's work that its stages are.
    """

    def __init__(self, progress: ProgressCallback | None, parts: int, shares: Sequence[int]) -> None:
        self._progress, self._total = progress, _TICKS * parts
        self._shares, self._whole = shares, sum(shares)
        self._begun = 0

    def skip(self) -> None:
        """A stage that is done already."""
        self._begun += 1

    def next(self) -> ProgressCallback | None:
        """The progress of the next stage."""
        if self._progress is None:
            return None
        tell, chunk, number = self._progress, *divmod(self._begun, len(self._shares))
        before, share = chunk * self._whole + sum(self._shares[:number]), self._shares[number]
        self._begun += 1

        def told(done: int, total: int) -> None:
            tell(round(_TICKS * (before + share * done / total) / self._whole), self._total)

        return told
