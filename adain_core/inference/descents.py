"""What refining changes to change the picture: its pixels, or the features that a decoder paints it from.

Descent on pixels finds noise that has the right statistics and looks like nothing. A decoder cannot paint such noise:
descent on its input stays among pictures that look painted, and a step moves colours and strokes as a whole (as
Ulyanov, Vedaldi and Lempitsky, "Deep Image Prior", CVPR 2018, found of networks as a prior).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ..method.normalization import channel_statistics
from ..method.octaves import OctaveDescent
from ..models.model_files import AnyDecoder
from .tap_tiles import plan_tap_tiles
from .tiling import TilePlan

PIXEL_STEP = 0.004  # of RGB 0..1, at each of six scales
FEATURE_STEP = 0.04  # of a channel's deviation, the root of the mean square over all of them
WARMUP = 3  # steps; the first gradients are the largest, and a full step along them overshoots
_RANGE_WEIGHT = 100.0  # of the mean square by which values leave 0..1, as in training

Fallback = Callable[[Callable[[int, int], Tensor], int, int], Tensor]


class Descent(Protocol):
    """A picture on its way."""

    @property
    def picture(self) -> Tensor:
        """``[1, 3, H, W]``, nominally 0..1."""

    def step(self, gradient: Tensor) -> None:
        """One step down the gradient of the losses at the picture, the same shape."""


class PixelDescent:
    """`octaves.OctaveDescent` on the pixels, which are kept in 0..1.

    Args:
        picture: where to begin, ``[1, 3, H, W]``.
    """

    def __init__(self, picture: Tensor) -> None:
        self.picture = picture.clone()
        self._descent = OctaveDescent(PIXEL_STEP)

    def step(self, gradient: Tensor) -> None:
        self._descent.step(self.picture, gradient)
        self.picture.clamp_(0, 1)


class FeatureDescent:
    """`OctaveDescent` of a single octave on the offset z of ``x = p + g(t + sigma z) - g(t)``.

    sigma are the deviations of t's channels. p is the picture to begin with: what the decoder g made of the features t,
    and perhaps what has been done to it since.

    Args:
        decoder: on the device of the others, its weights without gradients.
        target: t, ``[1, C, h, w]`` float32.
        picture: p, ``[1, 3, H, W]`` float32.
        tile_size, memory, fallback: as in `refinement.refine`.
    """

    def __init__(
        self, decoder: AnyDecoder, target: Tensor, picture: Tensor, tile_size: int, memory: int, fallback: Fallback
    ) -> None:
        self._decoder, self._target, self._dtype = decoder, target, next(decoder.parameters()).dtype
        self._size = (picture.shape[2], picture.shape[3])
        self._tile_size, self._memory, self._fallback = tile_size, memory, fallback
        self._unit = channel_statistics(target).std[..., None, None]
        self._offset = torch.zeros_like(target)
        self._descent = OctaveDescent(FEATURE_STEP, count=1, warmup=WARMUP)
        # Of a picture that is one tile: the features and what was painted from them, for the way back.
        self._graph: tuple[Tensor, Tensor] | None = None
        self._rest = torch.zeros_like(picture)
        painted = self._paint()
        self._rest = picture - painted.clamp(0, 1)
        self.picture = painted + self._rest

    def step(self, gradient: Tensor) -> None:
        outside = self.picture - self.picture.clamp(0, 1)
        gradient = gradient + outside * (2 * _RANGE_WEIGHT / outside.numel())

        def run(tile_size: int, memory: int) -> Tensor:
            return self._back(gradient, self._plan(tile_size, memory))

        self._descent.step(self._offset, self._fallback(run, self._tile_size, self._memory) * self._unit)
        self.picture = self._paint() + self._rest

    def _paint(self) -> Tensor:
        """g(t + sigma z) at the picture's size."""

        def run(tile_size: int, memory: int) -> Tensor:
            self._graph = None
            plan = self._plan(tile_size, memory)
            features = torch.addcmul(self._target, self._offset, self._unit)
            if len(plan) == 1:
                features.requires_grad_(True)
                painted = self._decoded(features)[..., : self._size[0], : self._size[1]]
                self._graph = features, painted
                return painted.detach()
            painted = torch.empty_like(self._rest)
            with torch.no_grad():
                for tile in plan:
                    part = self._decoded(features[(..., *tile.outer.positions)])
                    rows, columns = painted[(..., *tile.inner.pixels)].shape[2:]
                    inner = part[(..., *tile.inner.within(tile.outer).pixels)][..., :rows, :columns]
                    painted[(..., *tile.inner.pixels)] = inner
            return painted

        return self._fallback(run, self._tile_size, self._memory)

    def _back(self, gradient: Tensor, plan: TilePlan) -> Tensor:
        """A gradient at the picture, brought back to the features."""
        graph, self._graph = self._graph, None  # once: if memory runs out here, it is in the way of smaller tiles
        if graph is not None:
            (found,) = torch.autograd.grad(graph[1], graph[0], gradient)
            return found
        features = torch.addcmul(self._target, self._offset, self._unit)
        found = torch.zeros_like(features)
        for tile in plan:
            outer = features[(..., *tile.outer.positions)].clone().requires_grad_(True)
            pull = gradient[(..., *tile.inner.pixels)]
            inner = self._decoded(outer)[(..., *tile.inner.within(tile.outer).pixels)]
            inner = inner[..., : pull.shape[2], : pull.shape[3]]
            (part,) = torch.autograd.grad(inner, outer, pull)
            found[(..., *tile.outer.positions)] += part
        return found

    def _decoded(self, features: Tensor) -> Tensor:
        """g of features, float32 both."""
        painted: Tensor = self._decoder(features.to(self._dtype, memory_format=torch.channels_last))
        return painted.float()

    def _plan(self, tile_size: int, memory: int) -> TilePlan:
        self._tile_size, self._memory = tile_size, memory  # the next pass begins with what went well
        plan = plan_tap_tiles(self._decoder, self._size, tile_size, memory, gradients=True)
        if self._decoder.normalization == "instance":  # its statistics are of the whole map
            return TilePlan(plan.height, plan.width, plan.halo)
        return plan
