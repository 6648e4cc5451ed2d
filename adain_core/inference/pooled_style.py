"""One style of many images: the statistics over all their pixels, as if they were one image."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor

from ..errors import AdaINError
from ..method.features import Features
from ..method.float64 import widened
from ..method.normalization import Statistics
from ..method.pooling import pool
from ..method.style import ShallowStatistics, Style, check_same_encoder
from .tap_tiles import tap_masks

Encode = Callable[[Tensor, Tensor | None], Features]


def pooled_style(encode: Encode, images: Iterable[tuple[Tensor, Tensor | None]]) -> Style:
    """The style of all images together, at all four layers where the encoder has them.

    A large image counts for more than a small one, and what the images differ by counts as deviation, unlike in the
    average of their styles. One image's features are in memory at a time.

    Args:
        encode: as `Stylizer.encode`, of an image and a mask.
        images: ``[1, 3, H, W]`` RGB 0..1 of any size, each with how much its pixels count, ``[H, W]`` or
            ``[1, H, W]`` 0..1; None: all the same.

    Returns:
        The style, batch 1.

    Raises:
        AdaINError: no images, or a mask that is 0 everywhere.
    """
    parts: list[list[Statistics]] = []
    counts: list[list[float]] = []
    encoders = []
    for image, mask in images:
        mask = mask[None] if mask is not None and mask.ndim == 2 else mask
        features = encode(image, mask)
        style = features.style
        parts.append([style.statistics] if style.shallow is None else style.layers())
        counts.append(_positions(features, mask)[-len(parts[-1]) :])
        encoders.append(features.encoder_id)
    if not parts:
        raise AdaINError("images: expected at least one, found none")
    check_same_encoder(*encoders)
    layers = [
        pool(layer, weights) for layer, weights in zip(zip(*parts, strict=True), zip(*counts, strict=True), strict=True)
    ]
    return Style(layers[-1], encoders[0], shallow=ShallowStatistics(layers[:-1]) if layers[1:] else None)


def _positions(features: Features, mask: Tensor | None) -> list[float]:
    """How many positions count at relu1_1, relu2_1, relu3_1 and in the features."""
    height, width = features.size
    shallow = [
        float(-(-height >> i) * -(-width >> i)) if weights is None else float(widened(weights).sum())
        for i, weights in enumerate(tap_masks(mask, features.size)[:-1])
    ]
    own = features.mask
    return [*shallow, float(features.tensor[0, 0].numel() if own is None else widened(own).sum())]
