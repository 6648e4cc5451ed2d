"""Channel masks: one weight per feature channel, and the ways to choose them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..errors import AdaINError, check_batch, check_finite, check_known
from .features import FEATURE_CHANNELS
from .normalization import Statistics

COMBINATIONS = ("multiply", "maximum", "minimum", "add", "blend")
_ENTRY = re.compile(r"(?:(\d+)(?:-(\d+))?|([^\d:-][^:]*?))(?:\s*:\s*(\d*\.?\d+))?")


def from_range(
    first: int, last: int, inside: float = 1.0, outside: float = 0.0, count: int = FEATURE_CHANNELS
) -> Tensor:
    """``inside`` for the channels first..last (both included), ``outside`` for the others.

    Args:
        first, last: channels, counted from 0.
        inside, outside: weights 0..1.
        count: how many channels the encoder has.

    Returns:
        ``[count]`` weights 0..1.

    Raises:
        AdaINError: the range is empty or leaves the encoder's channels.
    """
    _check_range(first, last, f"{first}-{last}", count)
    weights = torch.full((count,), float(outside))
    weights[first : last + 1] = inside
    return weights.clamp(0, 1)


def from_list(
    text: str,
    inside: float = 1.0,
    outside: float = 0.0,
    count: int = FEATURE_CHANNELS,
    clusters: Mapping[str, Sequence[int]] | None = None,
) -> Tensor:
    """Weights from a list such as ``0-63:1, 64-127:0.5, 200``.

    An entry is a channel, a range or a cluster's name, then its weight (1 when left out), which is multiplied by
    ``inside``. Channels in no entry get ``outside``. Where entries overlap, the later one counts.

    Args:
        text: the list.
        inside, outside: weights 0..1.
        count: how many channels the encoder has.
        clusters: channels by the names that entries may have, see `models.channel_clusters`; None: no names.

    Returns:
        ``[count]`` weights 0..1.

    Raises:
        AdaINError: an entry cannot be read or leaves the encoder's channels; it is named.
    """
    weights = torch.full((count,), float(outside))
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        raise AdaINError("channels: expected a list such as '0-63:1, 64-127:0.5', found an empty one")
    for entry in entries:
        match = _ENTRY.fullmatch(entry)
        first, last, name, weight = match.groups() if match else (None, None, None, None)
        if first is not None:
            _check_range(int(first), int(last or first), entry, count)
            weights[int(first) : int(last or first) + 1] = inside * float(weight or 1)
        elif name is not None and clusters is not None and name in clusters:
            weights[list(clusters[name])] = inside * float(weight or 1)
        elif name is not None and clusters is not None:
            raise AdaINError(
                f"channels: expected entries such as '0-63:1', or one of {', '.join(clusters)}, found {entry!r}"
            )
        else:
            raise AdaINError(f"channels: expected entries such as '0-63:1' or '5:0.5', found {entry!r}")
    return weights.clamp(0, 1)


def from_channels(
    channels: Sequence[int], inside: float = 1.0, outside: float = 0.0, count: int = FEATURE_CHANNELS
) -> Tensor:
    """``inside`` for some channels, such as a cluster's, ``outside`` for the others: ``[count]`` weights 0..1."""
    weights = torch.full((count,), float(outside))
    weights[list(channels)] = inside
    return weights.clamp(0, 1)


def drawn(number: int, seed: int, inside: float = 1.0, outside: float = 0.0, count: int = FEATURE_CHANNELS) -> Tensor:
    """``inside`` for channels drawn at random, ``outside`` for the others.

    With one seed a larger number draws the same channels and more.

    Args:
        number: how many channels, 0..count.
        seed: decides which ones.
        inside, outside: weights 0..1.
        count: how many channels the encoder has.

    Returns:
        ``[count]`` weights 0..1.

    Raises:
        AdaINError: another number.
    """
    _check_number(number, count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return from_channels(order[:number].tolist(), inside, outside, count)


def style_difference(content: Statistics, style: Statistics) -> Tensor:
    """How much AdaIN changes each channel: the mean squared change of a content feature over the content's variance.

    ``((mean(y) - mean(x)) / std(x))^2 + (std(y)/std(x) - 1)^2``, averaged over the batch.

    Args:
        content: statistics ``[B, C]`` each.
        style: statistics ``[B or 1, C]`` each.

    Returns:
        ``[C]``, at least 0.

    Raises:
        AdaINError: the style's batch is neither 1 nor the content's.
    """
    check_batch("style", style.mean.shape[0], content.mean.shape[0])
    mean = (style.mean.to(content.mean) - content.mean) / content.std
    std = style.std.to(content.mean) / content.std - 1
    return (mean.square() + std.square()).mean(dim=0)


def by_difference(
    content: Statistics, style: Statistics, count: int, most: bool = True, inside: float = 1.0, outside: float = 0.0
) -> Tensor:
    """``inside`` for the ``count`` channels of the greatest (or least) `style_difference`, ``outside`` for the others.

    Args:
        content, style: as of `style_difference`.
        count: how many channels, 0..C.
        most: True: the greatest; False: the least.
        inside, outside: weights 0..1.

    Returns:
        ``[C]`` weights 0..1.

    Raises:
        AdaINError: the count is outside 0..C, or the batches do not fit.
    """
    difference = style_difference(content, style)
    _check_number(count, difference.numel())
    weights = torch.full_like(difference, outside)
    weights[difference.topk(count, largest=most).indices] = inside
    return weights.clamp(0, 1)


def inverted(weights: Tensor) -> Tensor:
    """The other channels: ``1 - weights``."""
    return 1 - weights


def combine(first: Tensor, second: Tensor, how: str, blend: float = 0.5) -> Tensor:
    """Two channel masks as one: their product, maximum, minimum, sum clamped to 1, or something between them.

    Args:
        first, second: ``[C]`` weights 0..1; one of VGG's channels alone as `over_finer_channels` has it.
        how: one of `COMBINATIONS`.
        blend: for ``blend``, how much of the second, 0..1: ``(1 - blend) * first + blend * second``.

    Raises:
        AdaINError: another ``how`` or ``blend``, or masks of different numbers of channels.
    """
    check_known("combine", how, COMBINATIONS)
    count = max(len(first), len(second))
    first, second = over_finer_channels(first, count), over_finer_channels(second, count).to(first)
    if first.shape != second.shape:
        raise AdaINError(f"combine: expected two masks of {len(first)} channels, found one of {len(second)}")
    if how == "blend":
        if not 0 <= blend <= 1:
            raise AdaINError(f"blend: expected a number from 0 to 1, found {blend}")
        return torch.lerp(first, second, blend)
    if how == "multiply":
        return first * second
    if how == "add":
        return (first + second).clamp(max=1)
    return torch.maximum(first, second) if how == "maximum" else torch.minimum(first, second)


def over_finer_channels(channels: Tensor, count: int) -> Tensor:
    """A mask of VGG's channels, where more are behind them: those get its mean. Any other mask as it is.

    Args:
        channels: ``[C]`` or ``[B, C]``.
        count: how many channels the features have.
    """
    more = count - FEATURE_CHANNELS
    if channels.shape[-1] != FEATURE_CHANNELS or more <= 0:
        return channels
    mean = channels.float().mean(-1, keepdim=True).to(channels)
    return torch.cat([channels, mean.expand(*channels.shape[:-1], more)], -1)


def check_channels(channels: Tensor, count: int) -> Tensor:
    """A mask for features of that many channels, see `over_finer_channels`.

    Raises:
        AdaINError: another shape than ``[count]`` or ``[B, count]``, or weights that are not finite.
    """
    channels = over_finer_channels(channels, count)
    if channels.shape[-1] != count or channels.ndim > 2:
        raise AdaINError(f"channels: expected one weight for each of {count} channels, found {list(channels.shape)}")
    check_finite("channels", channels)
    return channels


def _check_range(first: int, last: int, found: str, count: int) -> None:
    if not 0 <= first <= last < count:
        raise AdaINError(f"channels: expected first to last within 0-{count - 1}, found {found!r}")


def _check_number(number: int, count: int) -> None:
    if not 0 <= number <= count:
        raise AdaINError(f"count: expected a number of channels from 0 to {count}, found {number}")
