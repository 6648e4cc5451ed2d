"""A style: the channel statistics of a style image's features, and how styles mix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..errors import AdaINError, check_batch
from .normalization import Statistics


class ShallowStatistics:
    """An image's statistics at relu1_1, relu2_1 and relu3_1. Only refining needs them, so they may be taken later.

    Args:
        source: the statistics, ``[B, C_i]`` each, or a function that takes them; it is called once at most.
    """

    def __init__(self, source: Sequence[Statistics] | Callable[[], Sequence[Statistics]]) -> None:
        self._source = source

    def __call__(self) -> Sequence[Statistics]:
        """The three layers' statistics, taken now if they are not known yet."""
        if callable(self._source):
            self._source = self._source()
        return self._source


@dataclass(frozen=True)
class Style:
    """All that AdaIN needs of a style image: two numbers for each feature channel instead of the image.

    Attributes:
        statistics: channel mean and standard deviation, ``[B, C]`` each.
        encoder_id: fingerprint of the encoder the features are from.
        info: free text about the style for its file: name, author, licence.
        shallow: gives the statistics at the layers before, ``[B, 64]``, ``[B, 128]`` and ``[B, 256]``; None: unknown.
    """

    statistics: Statistics
    encoder_id: str
    info: dict[str, str] = field(default_factory=dict)
    shallow: ShallowStatistics | None = field(default=None, repr=False, compare=False)

    @property
    def batch(self) -> int:
        """Number of styles, B."""
        return self.statistics.mean.shape[0]

    def to(self, device: torch.device | str) -> Style:
        """The same style with its statistics on a device."""
        return replace(self, statistics=Statistics(*(s.to(device) for s in self.statistics)))

    def seen_by(self, encoder_id: str, channels: int) -> Style:
        """The same style for an encoder that is a part of its own, whose channels are the first of its channels.

        The fingerprint of a fine encoder ends in ``/`` and that of the VGG in it, see `model_files`.

        Args:
            encoder_id: fingerprint of that encoder, or of its own.
            channels: how many that encoder has.

        Raises:
            AdaINError: another encoder.
        """
        if not self.encoder_id.endswith(f"/{encoder_id}"):
            check_same_encoder(encoder_id, self.encoder_id)
            return self
        return replace(self, statistics=Statistics(*(s[:, :channels] for s in self.statistics)), encoder_id=encoder_id)

    def part(self, samples: slice) -> Style:
        """Some of a batch of styles."""
        shallow = self.shallow
        if shallow is not None:
            whole = shallow
            shallow = ShallowStatistics(lambda: [_part(layer, samples) for layer in whole()])
        return replace(self, statistics=_part(self.statistics, samples), shallow=shallow)

    def layers(self) -> list[Statistics]:
        """The statistics at relu1_1, relu2_1, relu3_1 and relu4_1, taken now where they are not known yet.

        Raises:
            AdaINError: those at the first three are unknown.
        """
        if self.shallow is None:
            raise AdaINError(
                "style: expected statistics at the four layers that refining compares, found those of relu4_1 only, as "
                "in style files of version 1.0.0; use the style image itself, or encode and save it again"
            )
        return [*self.shallow(), self.statistics]


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
    check_one_weight_each(styles, weights)
    total = check_weights(weights)

    def mixed(parts: Sequence[Tensor]) -> Tensor:
        weighted = (part.to(parts[0]) * (w / total) for part, w in zip(parts, weights, strict=True))
        return sum(weighted, start=torch.zeros_like(parts[0]))

    return combine(
        styles, lambda layer: Statistics(mixed([s.mean for s in layer]), mixed([s.std for s in layer])), names
    )


def combine(
    styles: Sequence[Style], rule: Callable[[Sequence[Statistics]], Statistics], names: Sequence[str] | None = None
) -> Style:
    """One style of several, by a rule that makes one layer's statistics of theirs.

    Args:
        styles: at least one; a batch of 1 is broadcast.
        rule: for relu4_1, and for the layers before where all styles know them.
        names: what error messages call the styles; None: style 1, style 2, ...

    Raises:
        AdaINError: batches differ, or the styles come from different encoders.
    """
    styles = in_common(styles)
    batch = max(style.batch for style in styles)
    names = names or [f"style {k}" for k in range(1, len(styles) + 1)]
    for name, style in zip(names, styles, strict=True):
        check_batch(name, style.batch, batch, "another style")
    known = [style.shallow for style in styles if style.shallow is not None]
    shallow = None
    if len(known) == len(styles):
        shallow = ShallowStatistics(lambda: [rule(layer) for layer in zip(*(k() for k in known), strict=True)])
    return Style(rule([style.statistics for style in styles]), styles[0].encoder_id, shallow=shallow)


def in_common(styles: Sequence[Style]) -> list[Style]:
    """The styles as the one encoder sees them that all have in common, see `Style.seen_by`; AdaINError without one."""
    least = min((style.statistics.mean.shape[1], style.encoder_id) for style in styles)
    return [style.seen_by(least[1], least[0]) for style in styles]


def _part(statistics: Statistics, samples: slice) -> Statistics:
    return Statistics(*(values[samples] for values in statistics))


def check_one_weight_each(styles: Sequence[Style], weights: Sequence[float]) -> None:
    """Raises AdaINError unless there are styles, and as many weights."""
    if not styles or len(styles) != len(weights):
        raise AdaINError(f"styles: expected one weight for each style, found {len(styles)} and {len(weights)}")


def check_weights(weights: Sequence[float]) -> float:
    """Returns the sum of mixing weights; AdaINError unless all are finite, none is negative and one is above 0."""
    if any(not math.isfinite(w) or w < 0 for w in weights) or not sum(weights) > 0:
        raise AdaINError(f"weights: expected finite numbers of at least 0, one of them above 0, found {list(weights)}")
    return sum(weights)


def vgg_id(encoder_id: str) -> str:
    """The fingerprint of the VGG in a fine encoder, see `Style.seen_by`; any other encoder's as it is."""
    return encoder_id.rpartition("/")[2]


def check_same_encoder(first: str, *others: str) -> None:
    """Raises AdaINError unless all fingerprints are equal: features, styles and decoder belong to one encoder."""
    for other in others:
        if other.endswith(f"/{first}") or first.endswith(f"/{other}"):
            raise AdaINError(
                "encoder: expected everything to come from one encoder, found both the fine one and the VGG-19 in it; "
                "take styles of VGG-19 again with the fine encoder, or use VGG-19 and its decoder (pair vgg19), for "
                "which styles of both will do"
            )
        if other != first:
            raise AdaINError(
                f"encoder: expected everything to come from one encoder ({first}), found another ({other}); "
                "encode content and styles with the same encoder and use a decoder trained for it"
            )


def check_style_size(side: int, name: str = "style size") -> None:
    """Raises AdaINError unless the short side at which an image is seen is 0 (as it is) or a number of pixels."""
    if side < 0:
        raise AdaINError(f"{name}: expected 0 or a number of pixels, found {side}")
