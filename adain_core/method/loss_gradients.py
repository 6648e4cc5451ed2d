"""Gradients of the paper's losses (eq. 12, 13) with respect to features, for maps that are seen part by part.

The style loss is a function of a map's statistics and nothing else. Once these are known of the whole map, the gradient
at a position follows from the features there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .normalization import Statistics

SMALLEST_VARIANCE = 0.05  # added: a channel that hardly varies in the style would count without limit


def content_gradient(
    features: Tensor, target: Tensor, positions: int, unit: Statistics | None = None, mask: Tensor | None = None
) -> Tensor:
    """Of `losses.content_loss`: ``2 (f - t) / (C N)``; with a unit each channel over its variance there.

    Args:
        features, target: part of the maps, ``[1, C, h, w]``.
        positions: of the whole map, N.
        unit: whose deviations the differences are measured in, ``[1, C]`` each.
        mask: as in `style_gradient`.
    """
    gradient = (features - target) * (2 / (features.shape[1] * positions))
    if unit is not None:
        gradient /= (unit.std.square() + SMALLEST_VARIANCE)[..., None, None]
    return gradient if mask is None else gradient * mask[:, None]


def style_gradient(
    features: Tensor, found: Statistics, target: Statistics, positions: int, mask: Tensor | None = None
) -> Tensor:
    """Of a layer's term of `losses.style_terms`: ``2 / (C N) ((mu - mu_s) + (sigma - sigma_s) (f - mu) / sigma)``.

    Args:
        features: part of the map, ``[1, C, h, w]``.
        found: statistics of the whole map, ``[1, C]`` each, inside the mask if there is one.
        target: the style's.
        positions: of the whole map, N.
        mask: of the same part, ``[1, h, w]`` 0..1. Then the term counts for its share of the map, so that a position
            inside pulls as hard as it would without a mask.
    """
    scale = (found.std - target.std) / found.std
    shift = (found.mean - target.mean) - scale * found.mean
    scale, shift = (x[..., None, None] * (2 / (features.shape[1] * positions)) for x in (scale, shift))
    gradient = torch.addcmul(shift, features, scale)
    return gradient if mask is None else gradient * mask[:, None]
