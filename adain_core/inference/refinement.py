"""Refining: a few steps of gradient descent on the picture, after the decoder.

A decoder paints every picture in one pass. What it gives is a good start for the optimization it replaces (Gatys, Ecker
and Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, section 2.3; the paper's section 2).
Where the decoder is at hand the steps act on what it is given rather than on the pixels: see `descents`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from ..errors import AdaINError, check_batch
from ..memory import budget
from ..method.adain import adain, nonempty
from ..method.channel_masks import check_channels
from ..method.features import TAPS, Features, deepest
from ..method.loss_gradients import content_gradient, style_gradient
from ..method.normalization import Statistics, channel_statistics
from ..method.running_statistics import RunningStatistics
from ..method.spatial_masks import to_feature_grid
from ..method.style import check_same_encoder, vgg_id
from ..models.model_files import AnyDecoder, AnyEncoder
from ..models.vgg import VGGEncoder, check_images
from ..progress import ProgressCallback, stage
from .applications import Application
from .descents import Descent, Fallback, FeatureDescent, PixelDescent
from .fallback import smaller_when_out_of_memory
from .tap_tiles import inner_taps, layered, plan_tap_tiles, shallow_taps, tap_masks, tile_masks
from .tiling import Tile, TilePlan

STYLE_WEIGHT = 25.0  # lambda of eq. 11, chosen over many pairs (benchmarks/README.md)
# Of the style's terms at relu1_1, relu2_1, relu3_1 and relu4_1: what a decoder misses is at the first two.
LAYER_WEIGHTS = (3.0, 2.0, 1.0, 1.0)
# Of the content's at the same layers; the last is eq. 12, the others are measured in the style's deviations.
CONTENT_WEIGHTS = (1.25, 5.0, 10.0, 1.0)


class RefinementGoal(NamedTuple):
    """Statistics that a picture is to have.

    Attributes:
        layers: at relu1_1, relu2_1, relu3_1 and relu4_1, ``[B or 1, C_i]`` each.
        mask: where, ``[B or 1, h, w]`` 0..1 over the image; None: everywhere. A sample whose mask is empty has no goal.
        content: the content's at the first three layers, inside the mask; None: unknown. Then its features there do not
            count.
    """

    layers: Sequence[Statistics]
    mask: Tensor | None = None
    content: Sequence[Statistics] | None = None

    def sample(self, k: int) -> RefinementGoal:
        """The goal of one sample, a batch of 1. What is for all samples is for each."""
        layers, content = (
            None if parts is None else [Statistics(*(_sample(values, k) for values in layer)) for layer in parts]
            for parts in (self.layers, self.content)
        )
        assert layers is not None
        return RefinementGoal(layers, None if self.mask is None else _sample(self.mask, k), content)


def check_refinement(steps: int, encoder: AnyEncoder) -> None:
    """Raises AdaINError unless the number of steps is at least 0, and 0 with an encoder that is no VGG."""
    if steps < 0:
        raise AdaINError(f"refine: expected a number of steps of at least 0, found {steps}")
    if steps:
        layered(encoder)


def refinement_goals(
    target: Features, applications: Sequence[Application], alpha: float = 1.0, channels: Tensor | None = None
) -> list[RefinementGoal]:
    """What the applications of AdaIN ask for at all four layers.

    With full weight the style's statistics. Else those that AdaIN's output has at relu4_1, and at the layers before
    ``(1 - w) content + w style``, as eq. 14 does there; w is alpha times the channel mask's mean.

    Args:
        target: what AdaIN made of the content's features.
        applications: of which styles and where; masks over the image or over the feature grid.
        alpha, channels: as AdaIN was given.

    Raises:
        AdaINError: a style of another VGG; a style, or with w below 1 the content, whose statistics at the layers
            before are unknown; styles, masks or channels of another number than the content's.
    """
    batch, count = target.tensor.shape[:2]
    weight = alpha if channels is None else alpha * float(check_channels(channels, count).float().mean())
    goals = []
    for style, mask in applications:
        check_batch("style", style.batch, batch)
        check_batch("mask", 1 if mask is None else mask.shape[0], batch)
        # The layers are VGG's, also where it is in a fine encoder.
        check_same_encoder(vgg_id(target.encoder_id), vgg_id(style.encoder_id))
        *layers, last = style.layers()
        layers.append(_relu4_1(last))
        region = None if mask is None else nonempty(mask)
        content = None if target.shallow is None else target.shallow(region)
        if weight < 1:
            if content is None:
                raise AdaINError("refine: expected features that come from VGG Encode, since alpha is below 1")
            found = _relu4_1(target.statistics)
            if region is not None:
                positions = to_feature_grid(region, target.size).to(target.tensor.device)
                found = channel_statistics(deepest(target.tensor), nonempty(positions))
            layers = [*(_between(c, s, weight) for c, s in zip(content, layers, strict=False)), found]
        goals.append(RefinementGoal(layers, mask, content))
    return goals


def _relu4_1(statistics: Statistics) -> Statistics:
    return Statistics(*map(deepest, statistics))


def _between(content: Statistics, style: Statistics, weight: float) -> Statistics:
    return Statistics(*(c.lerp(s.to(c), weight) for c, s in zip(content, style, strict=True)))


def refine(
    encoder: AnyEncoder,
    images: Tensor,
    target: Features,
    goals: Sequence[RefinementGoal],
    steps: int,
    decoder: AnyDecoder | None = None,
    style_weight: float = STYLE_WEIGHT,
    tile_size: int = 0,
    progress: ProgressCallback | None = None,
    memory: int | None = None,
    show: Callable[[Tensor], None] | None = None,
    fallback: Fallback = smaller_when_out_of_memory,
) -> Tensor:
    """Brings pictures closer to their content and style by gradient descent, on the encoder's device.

    It minimizes what the decoder was trained for (eq. 11-13), and keeps more of the content at the layers before::

        mean((f(x) - t)^2) + sum_i v_i mean((f_i(x) - AdaIN(f_i(c), s_i))^2 / sigma_i^2)
            + style_weight * sum_i w_i (|mu(f_i(x)) - mu_i|^2 + |sigma(f_i(x)) - sigma_i|^2)

    with v_i of `CONTENT_WEIGHTS` and w_i of `LAYER_WEIGHTS` (the paper's are all 1); with the decoder over what that is
    given, ``x = g(t + z)``, without it over the pixels, see `descents`. The style's part sees the picture through
    statistics, the content's position by position. So in tiles a first pass gathers the statistics of all, and in a
    second pass each tile sends its own gradient back: tiles do not change the result. (Through the decoder rounding
    errors grow from step to step, where a ReLU changes sides.)

    Args:
        encoder: VGG, the one that the target is from. In bfloat16 it is used as it is, else in float32: float16 is too
            narrow for the gradients.
        images: where to begin, the decoder's pictures ``[B, 3, H, W]`` RGB 0..1, on any device.
        target: t, what AdaIN gave and the decoder was given. With its image c the layers before count.
        goals: from `refinement_goals`. With several, each counts for its mask's share of the picture.
        steps: one pass through the encoder, and the decoder, forward and back, each.
        decoder: trained for the encoder; None: descend on the pixels.
        style_weight: of the style's part against the content's.
        tile_size: side of the tiles in pixels; 0: as large as fits into the memory.
        progress: called after each tile of each pass; whatever it raises stops the work.
        memory: bytes the computation may take; None: most of what is free.
        show: given the pictures as they are after each step. They are the result, changed from step to step.
        fallback: makes tiles smaller when memory runs out.

    Returns:
        ``[B, 3, H, W]`` float32 RGB 0..1, on the encoder's device.

    Raises:
        AdaINError: an encoder that is no VGG or another one than the target's or the decoder's, a negative number of
            steps, or sizes or batches that differ.
    """
    check_refinement(steps, encoder)
    check_same_encoder(encoder.fingerprint, target.encoder_id, *([] if decoder is None else [decoder.trained_for]))
    check_images(images)
    batch, _, *size = images.shape
    if tuple(size) != tuple(target.size):
        raise AdaINError(f"image: expected {list(target.size)} pixels like the features' image, found {size}")
    check_batch("features", target.tensor.shape[0], batch, "the image")
    for goal in goals:
        check_batch("style", goal.layers[-1].mean.shape[0], batch, "the image")
        check_batch("mask", 1 if goal.mask is None else goal.mask.shape[0], batch, "the image")
    # Tensors made in inference mode cannot have gradients; copies made outside of it can.
    with torch.inference_mode(False), torch.enable_grad():
        device = next(encoder.parameters()).device
        if steps == 0:
            return images.to(device, torch.float32)
        judge = _fixed(layered(encoder), device)
        painter = None if decoder is None else _fixed(decoder, device)
        result = images.to(device, torch.float32).clone()
        available = budget(device) if memory is None else memory
        if painter is not None:
            available //= 2  # one half for each model's maps
        for k in range(batch):
            objective = _Objective(judge, target, goals, k, style_weight, tile_size, available, fallback)
            descent: Descent = PixelDescent(result[k : k + 1])
            if painter is not None:
                given = _sample(target.tensor, k).to(device, torch.float32)
                descent = FeatureDescent(painter, given, result[k : k + 1], tile_size, available, fallback)
            for step in range(steps):
                tell = stage(progress, k * steps + step, batch * steps)
                descent.step(objective.gradient(descent.picture, tell))
                result[k : k + 1] = descent.picture.clamp(0, 1)
                if show is not None:
                    show(result)
    return result


class _Objective:
    """The losses of one picture, as a gradient."""

    def __init__(
        self,
        encoder: VGGEncoder,
        target: Features,
        goals: Sequence[RefinementGoal],
        sample: int,
        style_weight: float,
        tile_size: int,
        memory: int,
        fallback: Fallback,
    ) -> None:
        self._encoder, self._size = encoder, target.size
        parameter = next(encoder.parameters())
        self._device, self._dtype = parameter.device, parameter.dtype
        self._target = _sample(target.tensor, sample)
        self._content = None if target.image is None else _sample(target.image, sample)
        self._positions = [-(-self._size[0] >> i) * -(-self._size[1] >> i) for i in range(len(TAPS))]
        self._style_weight = style_weight
        self._goals: list[_Goal] = []
        for goal in (goal.sample(sample) for goal in goals):
            region = None if goal.mask is None else goal.mask.to(self._device)
            if region is None or bool((region > 0).any()):
                layers, content = (
                    [Statistics(*(values.to(self._device) for values in layer)) for layer in parts or ()]
                    for parts in (goal.layers, None if self._content is None else goal.content)
                )
                self._goals.append(_Goal(layers, content, tap_masks(region, self._size)))
        self._seen: list[Tensor] | None = None  # the content's features, if the picture is one tile
        self._tile_size, self._memory, self._fallback = tile_size, memory, fallback

    def gradient(self, picture: Tensor, progress: ProgressCallback | None) -> Tensor:
        """Of the losses at a picture ``[1, 3, H, W]``, the same shape."""

        def run(tile_size: int, memory: int) -> Tensor:
            self._tile_size, self._memory = tile_size, memory  # the next step begins with what went well
            plan = plan_tap_tiles(self._encoder, self._size, tile_size, memory, gradients=True)
            return self._in_tiles(picture, plan, progress)

        return self._fallback(run, self._tile_size, self._memory)

    def _in_tiles(self, picture: Tensor, plan: TilePlan, progress: ProgressCallback | None) -> Tensor:
        single = len(plan) == 1
        total, done = len(plan) if single else 2 * len(plan), 0

        def tell() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, total)

        running = [[RunningStatistics() for _ in TAPS] for _ in self._goals]
        if not single:
            for tile in plan:
                with torch.no_grad():
                    self._measure(running, self._taps(picture[(..., *tile.outer.pixels)], tile), tile)
                tell()
        gradient = torch.zeros_like(picture)
        seen, self._seen = self._seen if single else None, None  # while memory runs out it is in nobody's way
        for tile in plan:
            seen = self._content_taps(tile) if seen is None or not single else seen
            pixels = picture[(..., *tile.outer.pixels)].clone(memory_format=torch.channels_last).requires_grad_(True)
            taps = self._taps(pixels, tile)
            with torch.no_grad():
                if single:
                    self._measure(running, taps, tile)
                pulls = self._pulls([tap.detach() for tap in taps], seen, running, tile)
            (part,) = torch.autograd.grad(taps, pixels, pulls)
            gradient[(..., *tile.outer.pixels)] += part
            tell()
        self._seen = seen if single else None
        return gradient

    def _taps(self, pixels: Tensor, tile: Tile) -> list[Tensor]:
        """The picture's features of a tile at the four layers, float32."""
        pixels = pixels.to(self._dtype, memory_format=torch.channels_last)
        return [tap.float() for tap in inner_taps(self._encoder.taps(pixels), tile)]

    def _measure(self, running: list[list[RunningStatistics]], taps: Sequence[Tensor], tile: Tile) -> None:
        """Adds a tile's features to the statistics of each goal."""
        for own, goal in zip(running, self._goals, strict=True):
            for layer, tap, mask in zip(own, taps, tile_masks(goal.masks, tile), strict=True):
                layer.add(tap.detach(), mask)

    def _pulls(
        self, taps: Sequence[Tensor], seen: Sequence[Tensor], running: list[list[RunningStatistics]], tile: Tile
    ) -> list[Tensor]:
        """The losses' gradients at the four layers' features of a tile; seen: the content's at the first three."""
        target = deepest(self._target)[(..., *tile.inner.positions)].to(taps[-1])
        pulls = [torch.zeros_like(tap) for tap in taps[:-1]]
        pulls.append(content_gradient(taps[-1], target, self._positions[-1]) * CONTENT_WEIGHTS[-1])
        for own, goal in zip(running, self._goals, strict=True):
            masks = tile_masks(goal.masks, tile)
            parts = zip(taps, own, goal.layers, self._positions, masks, LAYER_WEIGHTS, strict=True)
            for pull, (tap, layer, wanted, positions, mask, weight) in zip(pulls, parts, strict=True):
                weight *= self._style_weight
                pull.add_(style_gradient(tap, layer.statistics(), wanted, positions, mask), alpha=weight)
            for i, (content, known) in enumerate(zip(seen, goal.content, strict=False)):
                if weight := CONTENT_WEIGHTS[i]:
                    wanted = goal.layers[i]
                    stylized = adain(content, wanted, content_statistics=known)
                    pull = content_gradient(taps[i], stylized, self._positions[i], wanted, masks[i])
                    pulls[i].add_(pull, alpha=weight)
        return pulls

    @torch.no_grad()
    def _content_taps(self, tile: Tile) -> list[Tensor]:
        """The content's features of a tile at the first three layers; nothing if its image is unknown."""
        if self._content is None:
            return []
        pixels = self._content[(..., *tile.outer.pixels)].to(
            self._device, self._dtype, memory_format=torch.channels_last
        )
        return [tap.float() for tap in inner_taps(shallow_taps(self._encoder, pixels), tile)]


class _Goal(NamedTuple):
    """A goal of one sample, on the encoder's device; masks at the four layers' sizes."""

    layers: Sequence[Statistics]
    content: Sequence[Statistics]
    masks: Sequence[Tensor | None]


M = TypeVar("M", bound=nn.Module)


def _fixed(model: M, device: torch.device) -> M:
    """A copy whose weights stay as they are, in a type that is wide enough for gradients."""
    dtype = next(model.parameters()).dtype
    dtype = dtype if dtype == torch.bfloat16 else torch.float32
    return copy.deepcopy(model).to(device, dtype).eval().requires_grad_(False)


def _sample(x: Tensor, k: int) -> Tensor:
    """One sample of a batch, as a batch of 1; the only one of a batch of 1. Out of inference mode, hence the copy."""
    k = k if x.shape[0] > 1 else 0
    return x[k : k + 1].clone()
