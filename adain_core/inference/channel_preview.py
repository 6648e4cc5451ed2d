"""What a channel mask changes: the same content with and without the style in these channels, and the difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from ..method.features import Features
from ..method.style import Style
from .pipeline import apply_style

_SHOWN = 0.99  # of the differences are within the range that is shown; stronger ones are cut there
_LEAST = 1 / 255  # a level of 8 bits: smaller differences are shown as none


class ChannelPreview(NamedTuple):
    """Pictures of what a channel mask changes, ``[B, 3, H, W]`` RGB 0..1 each.

    Attributes:
        on: the style in the mask's channels, as AdaIN with that mask gives.
        off: no style in any channel: what the decoder makes of the content alone.
        difference: ``0.5 + gain * (on - off)``: grey where nothing changes.
        gain: how many times as strong the differences are shown.
    """

    on: Tensor
    off: Tensor
    difference: Tensor
    gain: float


def preview_channels(
    decode: Callable[[Features], Tensor], content: Features, style: Style, channels: Tensor
) -> ChannelPreview:
    """Decodes with and without the channels' style.

    Args:
        decode: such as `Stylizer.decode`.
        content: features of the content.
        style: of batch 1 or the content's.
        channels: channel mask ``[C]``, weights 0..1.

    Raises:
        AdaINError: as `pipeline.apply_style`.
    """
    on, off = decode(apply_style(content, style, channels=channels)), decode(content)
    change = on - off
    size = change.abs().flatten()
    strongest = float(size.kthvalue(max(round(_SHOWN * size.numel()), 1)).values)
    gain = 0.5 / max(strongest, _LEAST)
    return ChannelPreview(on, off, (0.5 + gain * change).clamp(0, 1), gain)
