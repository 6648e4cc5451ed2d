"""Refining: a few steps of gradient descent on the picture, after the decoder.

A decoder paints every picture in one pass. What it gives is a good start for the optimization it replaces: descent on
the picture itself with the same losses (Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural
Networks", CVPR 2016, section 2.3; the paper's section 2).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import AdaINError, check_batch
from ..memory import budget
from ..method.adain import nonempty
from ..method.features import TAPS, Features
from ..method.loss_gradients import content_gradient, style_gradient
from ..method.normalization import Statistics, channel_statistics
from ..method.octaves import OctaveDescent
from ..method.running_statistics import RunningStatistics
from ..method.spatial_masks import to_feature_grid
from ..method.style import check_same_encoder
from ..models.model_files import AnyEncoder
from ..models.vgg import VGGEncoder, check_images
from ..progress import ProgressCallback, stage
from .applications import Application
from .fallback import smaller_when_out_of_memory
from .tap_tiles import inner_taps, layered, plan_tap_tiles, tap_masks, tile_masks
from .tiling import Tile, TilePlan

STYLE_WEIGHT = 10.0  # lambda of eq. 11, as in training
# Of the style's terms at relu1_1, relu2_1, relu3_1 and relu4_1: what a decoder misses is at the first two.
LAYER_WEIGHTS = (6.0, 3.0, 1.0, 0.3)
STEP_SIZE = 0.004  # of RGB 0..1, at each of six scales

Fallback = Callable[[Callable[[int, int], Tensor], int, int], Tensor]


class RefinementGoal(NamedTuple):
    """Statistics that a picture is to have.

    Attributes:
        layers: at relu1_1, relu2_1, relu3_1 and relu4_1, ``[B or 1, C_i]`` each.
        mask: where, ``[B or 1, h, w]`` 0..1 over the image; None: everywhere. A sample whose mask is empty has no goal.
    """

    layers: Sequence[Statistics]
    mask: Tensor | None = None

    def sample(self, k: int) -> RefinementGoal:
        """The goal of one sample, a batch of 1. What is for all samples is for each."""
        layers = [Statistics(*(_sample(values, k) for values in layer)) for layer in self.layers]
        return RefinementGoal(layers, None if self.mask is None else _sample(self.mask, k))


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
        AdaINError: a style, or with w below 1 the content, whose statistics at the layers before are unknown.
    """
    weight = alpha if channels is None else alpha * float(channels.float().mean())
    goals = []
    for style, mask in applications:
        layers = style.layers()
        if weight < 1:
            if target.shallow is None:
                raise AdaINError("refine: expected features that come from VGG Encode, since alpha is below 1")
            region = None if mask is None else nonempty(mask)
            content = target.shallow(region)
            found = target.statistics
            if region is not None:
                positions = to_feature_grid(region, target.size).to(target.tensor.device)
                found = channel_statistics(target.tensor, nonempty(positions))
            layers = [*(_between(c, s, weight) for c, s in zip(content, layers, strict=False)), found]
        goals.append(RefinementGoal(layers, mask))
    return goals


def _between(content: Statistics, style: Statistics, weight: float) -> Statistics:
    return Statistics(*(c.lerp(s.to(c), weight) for c, s in zip(content, style, strict=True)))


def refine(
    encoder: AnyEncoder,
    images: Tensor,
    target: Features,
    goals: Sequence[RefinementGoal],
    steps: int,
    style_weight: float = STYLE_WEIGHT,
    tile_size: int = 0,
    progress: ProgressCallback | None = None,
    memory: int | None = None,
    show: Callable[[Tensor], None] | None = None,
    fallback: Fallback = smaller_when_out_of_memory,
) -> Tensor:
    """Brings pictures closer to their content and style by gradient descent, on the encoder's device, in float32.

    It minimizes over the pixels, kept in 0..1, what the decoder was trained for (eq. 11-13)::

        mean((f(x) - t)^2) + style_weight * sum_i w_i (|mu(f_i(x)) - mu_i|^2 + |sigma(f_i(x)) - sigma_i|^2)

    with w_i of `LAYER_WEIGHTS` (the paper's are all 1) and the steps of `octaves.OctaveDescent`. The style's part sees
    the picture through statistics, the content's part position by position. So in tiles a first pass gathers the
    statistics of all, and in a second pass each tile sends its own gradient back: tiles do not change the result.

    Args:
        encoder: VGG, the one that the target is from.
        images: where to begin, the decoder's pictures ``[B, 3, H, W]`` RGB 0..1, on any device.
        target: t, what AdaIN gave and the decoder was given.
        goals: from `refinement_goals`. With several, each counts for its mask's share of the picture.
        steps: one pass through the encoder, forward and back, each.
        style_weight: of the style's part against the content's.
        tile_size: side of the tiles in pixels; 0: as large as fits into the memory.
        progress: called after each tile of each pass; whatever it raises stops the work.
        memory: bytes the computation may take; None: most of what is free.
        show: given the pictures as they are after each step. They are the result, changed from step to step.
        fallback: makes tiles smaller when memory runs out.

    Returns:
        ``[B, 3, H, W]`` float32 RGB 0..1, on the encoder's device.

    Raises:
        AdaINError: an encoder that is no VGG or another one than the target's, a negative number of steps, or sizes or
            batches that differ.
    """
    check_refinement(steps, encoder)
    check_same_encoder(encoder.fingerprint, target.encoder_id)
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
        exact = copy.deepcopy(layered(encoder)).float().eval().requires_grad_(False)
        result = images.to(device, torch.float32).clone()
        available = budget(device) if memory is None else memory
        for k in range(batch):
            picture = result[k : k + 1]
            objective = _Objective(exact, target, goals, k, style_weight, tile_size, available, fallback)
            descent = OctaveDescent(STEP_SIZE)
            for step in range(steps):
                gradient = objective.gradient(picture, stage(progress, k * steps + step, batch * steps))
                descent.step(picture, gradient)
                picture.clamp_(0, 1)
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
        self._device = next(encoder.parameters()).device
        self._target = _sample(target.tensor, sample)
        self._positions = [-(-self._size[0] >> i) * -(-self._size[1] >> i) for i in range(len(TAPS))]
        self._style_weight = style_weight
        self._goals: list[tuple[list[Statistics], list[Tensor | None]]] = []
        for layers, mask in (goal.sample(sample) for goal in goals):
            region = None if mask is None else mask.to(self._device)
            if region is None or bool((region > 0).any()):
                own = [Statistics(*(values.to(self._device) for values in layer)) for layer in layers]
                self._goals.append((own, tap_masks(region, self._size)))
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
                    pixels = picture[(..., *tile.outer.pixels)].contiguous(memory_format=torch.channels_last)
                    self._measure(running, inner_taps(self._encoder.taps(pixels), tile), tile)
                tell()
        gradient = torch.zeros_like(picture)
        for tile in plan:
            pixels = picture[(..., *tile.outer.pixels)].clone(memory_format=torch.channels_last).requires_grad_(True)
            taps = inner_taps(self._encoder.taps(pixels), tile)
            with torch.no_grad():
                if single:
                    self._measure(running, taps, tile)
                pulls = self._pulls([tap.detach() for tap in taps], running, tile)
            (part,) = torch.autograd.grad(taps, pixels, pulls)
            gradient[(..., *tile.outer.pixels)] += part
            tell()
        return gradient

    def _measure(self, running: list[list[RunningStatistics]], taps: Sequence[Tensor], tile: Tile) -> None:
        """Adds a tile's features to the statistics of each goal."""
        for own, (_, masks) in zip(running, self._goals, strict=True):
            for layer, tap, mask in zip(own, taps, tile_masks(masks, tile), strict=True):
                layer.add(tap.detach(), mask)

    def _pulls(self, taps: Sequence[Tensor], running: list[list[RunningStatistics]], tile: Tile) -> list[Tensor]:
        """The losses' gradients at the four layers' features of a tile."""
        target = self._target[(..., *tile.inner.positions)].to(taps[-1])
        pulls = [torch.zeros_like(tap) for tap in taps[:-1]]
        pulls.append(content_gradient(taps[-1], target, self._positions[-1]))
        for own, (layers, masks) in zip(running, self._goals, strict=True):
            parts = zip(taps, own, layers, self._positions, tile_masks(masks, tile), LAYER_WEIGHTS, strict=True)
            for pull, (tap, layer, wanted, positions, mask, weight) in zip(pulls, parts, strict=True):
                weight *= self._style_weight
                pull.add_(style_gradient(tap, layer.statistics(), wanted, positions, mask), alpha=weight)
        return pulls


def _sample(x: Tensor, k: int) -> Tensor:
    """One sample of a batch, as a batch of 1; the only one of a batch of 1. Out of inference mode, hence the copy."""
    k = k if x.shape[0] > 1 else 0
    return x[k : k + 1].clone()
