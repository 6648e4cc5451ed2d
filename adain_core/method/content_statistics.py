"""What a content's features are normalized by (eq. 8): their own statistics, or those at another size."""

from __future__ import annotations

import torch
from torch import Tensor

from .adain import adain, nonempty
from .features import Features
from .normalization import Statistics, channel_statistics
from .spatial_masks import to_size, where_visible


def content_statistics(content: Features, mask: Tensor | None = None) -> Statistics:
    """Channel mean and deviation to normalize a content by, ``[B, C]`` each.

    Of features with another size beside them (`Features.measured`) a channel's are those at that size. But where its
    deviation is smaller there the channel keeps its own: a small picture has few positions, in which channels that
    rarely respond hardly vary, and features divided by that would leave the range that a decoder knows.

    Args:
        content: their own mask, such as the content's opacity, weights the statistics.
        mask: on the content's feature grid, ``[B or 1, h, w]`` 0..1: statistics inside it, and of the whole sample
            where it is empty; None: of the whole.
    """
    own = _inside(content, mask)
    if content.measured is None:
        return own
    return livelier(_inside(content.measured, _on_its_grid(content.measured, mask)), own)


def livelier(statistics: Statistics, others: Statistics) -> Statistics:
    """Those of two statistics, channel by channel, that have the larger deviation."""
    first = statistics.std >= others.std.to(statistics.std)
    return Statistics(*(torch.where(first, x, y.to(x)) for x, y in zip(statistics, others, strict=True)))


def apply_on_grid(
    content: Features,
    style: Statistics,
    alpha: float = 1.0,
    channels: Tensor | None = None,
    mask: Tensor | None = None,
    known: Statistics | None = None,
) -> Features:
    """`adain` on features, and on those at another size beside them, so that a next application finds both alike.

    Args:
        content, mask: as in `content_statistics`.
        style, alpha, channels: as in `adain`.
        known: what to normalize by; None: the content's `content_statistics`.
    """
    if known is None and alpha:
        known = content_statistics(content, mask)
    measured = content.measured
    if measured is not None:
        measured = apply_on_grid(measured, style, alpha, channels, _on_its_grid(measured, mask), known)
    tensor = adain(content.tensor, style, alpha, channels, mask, known)
    return content._replace(tensor=tensor, measured=measured, stylized=content.stylized or alpha > 0)


def _inside(features: Features, mask: Tensor | None) -> Statistics:
    if mask is None:
        return features.statistics
    weights = mask.to(features.tensor.device, torch.float32)
    if features.mask is not None:
        weights = where_visible(weights, features.mask)
    return channel_statistics(features.tensor, nonempty(weights))


def _on_its_grid(features: Features, mask: Tensor | None) -> Tensor | None:
    return None if mask is None else to_size(mask, (features.tensor.shape[2], features.tensor.shape[3]))
