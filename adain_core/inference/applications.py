"""Which styles AdaIN gives the content, and where: the user's styles, weights and masks as a list of applications.

Several applications are all of the same content, at once, see `regions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import AdaINError
from ..method.regions import remaining
from ..method.regions import shares as shares_of_masks
from ..method.spatial_masks import to_size
from ..method.style import Style, mix


class Application(NamedTuple):
    """One application of AdaIN.

    Attributes:
        style: what the content gets.
        mask: where, over the image or over the feature grid as its user says; None: everywhere.
    """

    style: Style
    mask: Tensor | None = None


def check_controls(styles: int, weights: Sequence[float] | None, masks: int) -> None:
    """Raises AdaINError unless there are no masks, one, or one for each style; several masks exclude weights."""
    if masks not in (0, 1, styles):
        raise AdaINError(f"masks: expected none, one, or one for each of {styles} styles, found {masks}")
    if masks > 1 and weights is not None:
        raise AdaINError("weights: cannot be combined with one mask per style; leave them out")


def plan_applications(
    styles: Sequence[Style], weights: Sequence[float] | None, masks: Sequence[Tensor], size: tuple[int, int]
) -> list[Application]:
    """The mixed styles in one application, or each style inside its own mask, all of them at once.

    Args:
        styles: at least one.
        weights: one per style; None: equal.
        masks: none, one for all styles, or one per style.
        size: height and width that several masks are brought to, the image's or the feature grid's.

    Raises:
        AdaINError: numbers that do not fit, as `check_controls` and `mix` say.
    """
    check_controls(len(styles), weights, len(masks))
    if len(masks) > 1:
        return plan_regions(styles, masks, size)
    mixed = mix(styles, weights if weights is not None else [1.0] * len(styles))
    return [Application(mixed, masks[0] if masks else None)]


def plan_regions(styles: Sequence[Style], masks: Sequence[Tensor | None], size: tuple[int, int]) -> list[Application]:
    """Each style inside its own mask; masks of the same style are one region.

    So two regions of one style look as one does: their content statistics are taken together, and no seam is between
    them.

    Args:
        styles: at least one.
        masks: one per style. None, for one style at most: what the other masks leave over.
        size: height and width that they are brought to, the image's or the feature grid's.

    Raises:
        AdaINError: several styles without a mask.
    """
    device = next((mask.device for mask in masks if mask is not None), None)  # masks may come from several
    scaled = [None if mask is None else to_size(mask, size).to(device) for mask in masks]
    given = [mask for mask in scaled if mask is not None]
    if len(given) < len(scaled) - 1:
        raise AdaINError(f"masks: expected one for all styles but one, found {len(given)} for {len(scaled)} styles")
    regions: list[Application] = []
    for style, mask in zip(styles, scaled, strict=True):
        mask = remaining(given, size) if mask is None else mask
        same = [k for k, region in enumerate(regions) if _same(region.style, style)]
        if same:
            before = regions[same[0]].mask
            assert before is not None
            regions[same[0]] = Application(style, (before + mask).clamp(max=1))
        else:
            regions.append(Application(style, mask))
    return regions


def in_shares(applications: Sequence[Application]) -> list[Application]:
    """The same applications, masks of several scaled down where they add up to more than 1, see `regions.shares`."""
    masks = [mask for _, mask in applications if mask is not None]
    if len(masks) < 2:
        return list(applications)
    return [Application(style, share) for (style, _), share in zip(applications, shares_of_masks(masks), strict=True)]


def _same(one: Style, other: Style) -> bool:
    pairs = zip(one.statistics, other.statistics, strict=True)
    return one.encoder_id == other.encoder_id and all(torch.equal(a, b.to(a.device)) for a, b in pairs)


def where_visible_only(applications: Sequence[Application], visible: Tensor) -> list[Application]:
    """The same applications, but not where nothing can be seen.

    Features there have statistics of their own. Given a style by those of the visible part they would become noise,
    which the decoder spreads over the edge of what can be seen.

    Args:
        applications: masks over the image, or over the feature grid.
        visible: ``[B or 1, h, w]``, 0 or 1, over the same.
    """
    size = (visible.shape[1], visible.shape[2])
    return [
        Application(style, visible if mask is None else to_size(mask, size) * visible.to(mask.device))
        for style, mask in applications
    ]
