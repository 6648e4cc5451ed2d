"""Several styles in several regions at once: each region's own AdaIN of the content, blended by the regions' shares.

``x + sum_k w_k (AdaIN_k(x) - x)``, where w_k is region k's mask, scaled down where the masks add up to more than 1, and
AdaIN_k takes the content's statistics inside w_k. The sum has no order, so neither have regions that overlap. Masks
that add up to 1 blend as eq. 15 does, position by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .adain import adain
from .content_statistics import content_statistics
from .features import Features
from .normalization import Statistics
from .spatial_masks import to_size


class Region(NamedTuple):
    """A region of the feature grid.

    Attributes:
        style: what it gets, ``[B or 1, C]`` each.
        share: of each position, ``[B or 1, H, W]`` 0..1; all regions' at most 1 together.
        content: the content's statistics inside it, ``[B, C]`` each.
    """

    style: Statistics
    share: Tensor
    content: Statistics


def adain_in_regions(
    content: Tensor, regions: Sequence[Region], alpha: float = 1.0, channels: Tensor | None = None
) -> Tensor:
    """AdaIN of each region, all of the same content.

    Args:
        content: features ``[B, C, H, W]``.
        regions: which styles and where. Where no region has a share the content is unchanged to the bit.
        alpha, channels: as of `adain`.

    Returns:
        ``[B, C, H, W]``, the content's type.

    Raises:
        AdaINError: as `adain`.
    """
    result = content
    for style, share, statistics in regions:
        result = adain(content, style, alpha, channels, share, statistics, onto=result)
    return result


def regions_on_grid(
    content: Features,
    styles: Sequence[Statistics],
    shares: Sequence[Tensor],
    alpha: float = 1.0,
    channels: Tensor | None = None,
) -> Features:
    """`adain_in_regions` on features, and on those at another size beside them, as `apply_on_grid` does it.

    Args:
        content: features; each region's statistics are their `content_statistics` inside its share.
        styles: of the regions, ``[B or 1, C]`` each.
        shares: of the regions, on the content's feature grid.
        alpha, channels: as of `adain`.
    """
    given = zip(styles, shares, strict=True)
    regions = [Region(style, share, content_statistics(content, share)) for style, share in given]
    measured = content.measured
    if measured is not None:
        size = measured.tensor.shape[2], measured.tensor.shape[3]
        smaller = [region._replace(share=to_size(region.share, size)) for region in regions]
        changed = adain_in_regions(measured.tensor, smaller, alpha, channels)
        measured = measured._replace(tensor=changed, stylized=measured.stylized or alpha > 0)
    changed = adain_in_regions(content.tensor, regions, alpha, channels)
    return content._replace(tensor=changed, measured=measured, stylized=content.stylized or alpha > 0)


def shares(masks: Sequence[Tensor]) -> list[Tensor]:
    """Masks as shares: divided by their sum where that is above 1, so that none comes before another.

    Args:
        masks: ``[B or 1, H, W]`` 0..1 each, at least one.
    """
    total = torch.clamp(sum(masks[1:], start=masks[0]), min=1)
    return [mask / total for mask in masks]


def remaining(masks: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """What masks leave over: 1 less their sum, at least 0; all of it where there are none.

    Args:
        masks: ``[B or 1, H, W]`` 0..1 each.
        size: height and width.
    """
    device = masks[0].device if masks else None
    return (1 - sum(masks, start=torch.zeros(1, *size, device=device))).clamp(min=0)
