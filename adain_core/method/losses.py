"""The training losses.

The paper's are `content_loss` (eq. 12) and `style_loss` (eq. 13); `gram_style_loss` is the alternative it names.
Features may be of any floating type; every loss is computed in float32 (float64 for float64 input). Each is a mean
over the samples of the batch, so the loss of a batch is the mean of the losses of its halves.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .adain import adain
from .fast_statistics import training_statistics
from .loss_gradients import SMALLEST_VARIANCE
from .normalization import Statistics, at_least_float32


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """``mean((f(g(t)) - t)^2)`` (eq. 12; the mean of squares, as in the authors' code).

    Args:
        features: relu4_1 features of the output, ``f(g(t))``, ``[B, C, H, W]``.
        target: AdaIN's output ``t``, the same shape.
    """
    return F.mse_loss(at_least_float32(features), at_least_float32(target))


def stylized_content_loss(features: Tensor, content: Tensor, style: Statistics) -> Tensor:
    """Eq. 12 at a layer before, ``mean((f_i(x) - AdaIN(f_i(c), s_i))^2 / (sigma_i^2 + e))``.

    Measured in the style's deviations: layers, and channels, differ in size.

    Args:
        features: of the output at the layer, ``f_i(x)``, ``[B, C, H, W]``.
        content: the content's there, ``f_i(c)``, the same shape.
        style: the style's statistics there, ``[B, C]`` each.
    """
    with torch.no_grad():
        content = at_least_float32(content)
        unit = (style.std.square() + SMALLEST_VARIANCE).rsqrt()[..., None, None]
        wanted = adain(content, style, content_statistics=training_statistics(content)) * unit
    return F.mse_loss(at_least_float32(features) * unit, wanted)


def style_terms(features: Sequence[Tensor], style: Sequence[Statistics]) -> list[Tensor]:
    """The layers' terms of eq. 13: ``mean((mu(f) - mu(s))^2) + mean((sigma(f) - sigma(s))^2)``, over channels.

    Args:
        features: the output's features ``[B, C_i, H_i, W_i]`` at relu1_1, relu2_1, relu3_1 and relu4_1.
        style: the style image's statistics at the same layers, ``[B, C_i]`` each.

    Returns:
        One scalar per layer.
    """
    return [
        F.mse_loss(mean, target.mean) + F.mse_loss(std, target.std)
        for (mean, std), target in zip(map(training_statistics, features), style, strict=True)
    ]


def style_loss(
    features: Sequence[Tensor], style: Sequence[Statistics], weights: Sequence[float] | None = None
) -> Tensor:
    """``sum_i w_i (|mu(f_i) - mu(s_i)|^2 + |sigma(f_i) - sigma(s_i)|^2)`` (eq. 13), see `style_terms`.

    Args:
        weights: one per layer; None: all 1, as in the paper.
    """
    return weighted_sum(style_terms(features, style), weights)


def gram_matrix(features: Tensor) -> Tensor:
    """``G = F F^T / (H W)``: the mean over space of the products of channels. ``[B, C, H, W]`` to ``[B, C, C]``.

    Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, eq. 3.
    """
    flat = at_least_float32(features).flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def gram_style_terms(features: Sequence[Tensor], style: Sequence[Tensor]) -> list[Tensor]:
    """One scalar per layer: ``mean((G(f) - G(s))^2)`` over the entries of the Gram matrices.

    Args:
        features: as in `style_terms`.
        style: the style image's `gram_matrix` at the same layers, ``[B, C_i, C_i]``.
    """
    return [F.mse_loss(gram_matrix(f), target) for f, target in zip(features, style, strict=True)]


def gram_style_loss(
    features: Sequence[Tensor], style: Sequence[Tensor], weights: Sequence[float] | None = None
) -> Tensor:
    """``sum_i w_i mean((G(f_i) - G(s_i))^2)``: the Gram style loss (Gatys et al., eq. 5), see `gram_style_terms`."""
    return weighted_sum(gram_style_terms(features, style), weights)


def weighted_sum(terms: Sequence[Tensor], weights: Sequence[float] | None = None) -> Tensor:
    """``sum_i w_i x_i``; weights None: all 1."""
    weights = [1.0] * len(terms) if weights is None else weights
    return torch.stack([w * term for w, term in zip(weights, terms, strict=True)]).sum()
