"""A style: the channel statistics of a style image's features, and how styles mix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import AdaINError, check_batch
from .normalization import Statistics


@dataclass(frozen=True)
class Style:
    """All that AdaIN needs of a style image: two numbers for each feature channel instead of the image.

    Attributes:
        statistics: channel mean and standard deviation, ``[B, C]`` each.
        encoder_id: fingerprint of the encoder the features are from.
        info: free text about the style for its file: name, author, licence.
    """

    statistics: Statistics
    encoder_id: str
    info: dict[str, str] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """Number of styles, B."""
        return self.statistics.mean.shape[0]

    def to(self, device: torch.device | str) -> Style:
        """The same style with its statistics on a device."""
        return Style(Statistics(*(s.to(device) for s in self.statistics)), self.encoder_id, self.info)


def mix(styles: Sequence[Style], weights: Sequence[float], names: Sequence[str] | None = None) -> Style:
    """Interpolates between styles (section 7.4, eq. 15).

    The paper mixes AdaIN's outputs, ``sum_k w_k AdaIN(x, y_k)`` with weights that sum to 1. AdaIN is linear in the
    style's statistics, so mixing the statistics gives the same result with one AdaIN instead of one per style.

    Example:
        >>> dark = Style(Statistics(torch.zeros(1, 2), torch.ones(1, 2)), "an encoder")
        >>> light = Style(Statistics(torch.full((1, 2), 4.0), torch.ones(1, 2)), "an encoder")
        >>> mix([dark, light], weights=[1, 3]).statistics.mean
        tensor([[3., 3.]])

    Args:
        styles: at least one; a batch of 1 is broadcast.
        weights: one per style, at least 0; scaled here to sum to 1.
        names: what error messages call the styles; None: style 1, style 2, ...

    Returns:
        The mixed style.

    Raises:
        AdaINError: numbers of styles and weights differ, weights are negative, not finite or all 0, batches differ,
            or the styles come from different encoders.
    """
    if not styles or len(styles) != len(weights):
        raise AdaINError(f"styles: expected one weight for each style, found {len(styles)} and {len(weights)}")
    total = check_weights(weights)
    check_same_encoder(*(style.encoder_id for style in styles))
    batch = max(style.batch for style in styles)
    names = names or [f"style {k}" for k in range(1, len(styles) + 1)]
    for name, style in zip(names, styles, strict=True):
        check_batch(name, style.batch, batch, "another style")

    def mixed(parts: list[Tensor]) -> Tensor:
        weighted = (part.to(parts[0]) * (w / total) for part, w in zip(parts, weights, strict=True))
        return sum(weighted, start=torch.zeros_like(parts[0]))

    return Style(
        Statistics(mixed([s.statistics.mean for s in styles]), mixed([s.statistics.std for s in styles])),
        styles[0].encoder_id,
    )


def check_weights(weights: Sequence[float]) -> float:
    """Returns the sum of mixing weights; AdaINError unless all are finite, none is negative and one is above 0."""
    if any(not math.isfinite(w) or w < 0 for w in weights) or not sum(weights) > 0:
        raise AdaINError(f"weights: expected finite numbers of at least 0, one of them above 0, found {list(weights)}")
    return sum(weights)


def check_same_encoder(first: str, *others: str) -> None:
    """Raises AdaINError unless all fingerprints are equal: features, styles and decoder belong to one encoder."""
    for other in others:
        if other != first:
            raise AdaINError(
                f"encoder: expected everything to come from one encoder ({first}), found another ({other}); "
                "encode content and styles with the same encoder and use a decoder trained for it"
            )


def check_style_size(side: int) -> None:
    """Raises AdaINError unless a style image's short side is 0 (the image as it is) or a number of pixels."""
    if side < 0:
        raise AdaINError(f"style size: expected 0 or a number of pixels, found {side}")
