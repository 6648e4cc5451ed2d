"""What AdaIN is applied to and where: the user's styles, weights and masks as a list of applications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ..errors import AdaINError
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
    styles: Sequence[Style], weights: Sequence[float] | None, masks: Sequence[Tensor]
) -> list[Application]:
    """The mixed styles in one application, or each style inside its own mask, one after the other.

    Each application is given what the one before it made, so overlapping masks blend.

    Raises:
        AdaINError: numbers that do not fit, as `check_controls` and `mix` say.
    """
    check_controls(len(styles), weights, len(masks))
    if len(masks) > 1:
        return [Application(style, mask) for style, mask in zip(styles, masks, strict=True)]
    mixed = mix(styles, weights if weights is not None else [1.0] * len(styles))
    return [Application(mixed, masks[0] if masks else None)]


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
