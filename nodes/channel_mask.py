"""AdaIN Channel Mask."""

from __future__ import annotations

from torch import Tensor

from ..adain_core.errors import AdaINError
from ..adain_core.method import channel_masks
from ..adain_core.method.features import FEATURE_CHANNELS, Features
from ..adain_core.method.style import Style, check_same_encoder
from .inputs import style_of
from .types import CATEGORY, CHANNELS, FEATURES, FEATURES_OR_STYLE

RANGE, LIST, MOST, LEAST = "range", "list", "differ most", "differ least"


class ChannelMask:
    """AdaIN Channel Mask."""

    DESCRIPTION = (
        "Chooses which feature channels (VGG has 512) take the style: a range, a list with weights, or those in which "
        "content and style differ most or least."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["feature channels", "channel weights", "style transfer"]
    RETURN_TYPES = (CHANNELS,)
    RETURN_NAMES = ("channels",)
    OUTPUT_TOOLTIPS = ("One weight per channel, for AdaIN or another AdaIN Channel Mask.",)
    FUNCTION = "choose"

    @classmethod
    def INPUT_TYPES(cls):
        last = FEATURE_CHANNELS - 1
        weight = {"min": 0.0, "max": 1.0, "step": 0.01}
        return {
            "required": {
                "choose_by": (
                    [RANGE, LIST, MOST, LEAST],
                    {
                        "tooltip": "range: first to last. list: the text below. differ most / least: the channels in "
                        "which AdaIN changes the content most or least; connect content and style."
                    },
                ),
                "amount": ("FLOAT", {**weight, "default": 1.0, "tooltip": "Weight of the chosen channels."}),
            },
            "optional": {
                "first": ("INT", {"default": 0, "min": 0, "max": last, "tooltip": "range: the first channel."}),
                "last": (
                    "INT",
                    {
                        "default": last,
                        "min": 0,
                        "max": last,
                        "tooltip": "range: the last channel; beyond the encoder's last one: that one.",
                    },
                ),
                "list": (
                    "STRING",
                    {"default": "0-63:1, 64-127:0.5", "tooltip": "list: channels or ranges, each with its weight."},
                ),
                "count": (
                    "INT",
                    {
                        "default": 256,
                        "min": 0,
                        "max": FEATURE_CHANNELS,
                        "tooltip": "differ most / least: how many channels.",
                    },
                ),
                "others": ("FLOAT", {**weight, "default": 0.0, "tooltip": "Weight of the channels not chosen."}),
                "content": (
                    FEATURES,
                    {
                        "tooltip": "differ most / least: the content. Else it only tells how many channels there are; "
                        "without it as many as VGG has."
                    },
                ),
                "style": (FEATURES_OR_STYLE, {"tooltip": "differ most / least: the style."}),
                "combine_with": (CHANNELS, {"tooltip": "Another channel mask to combine this one with."}),
                "combine": (
                    list(channel_masks.COMBINATIONS),
                    {"tooltip": "How the two combine, channel by channel; add is cut at 1."},
                ),
            },
        }

    def choose(
        self,
        choose_by,
        amount,
        first=0,
        last=FEATURE_CHANNELS - 1,
        list="",
        count=256,
        others=0.0,
        content=None,
        style=None,
        combine_with=None,
        combine="multiply",
    ):
        channels = _channels(content, style, combine_with)
        if choose_by == RANGE:
            weights = channel_masks.from_range(first, min(last, channels - 1), amount, others, channels)
        elif choose_by == LIST:
            weights = channel_masks.from_list(list, amount, others, channels)
        else:
            if content is None or style is None:
                raise AdaINError(f"{choose_by}: expected content and style connected, found one missing")
            style = style_of(style)
            check_same_encoder(content.encoder_id, style.encoder_id)
            weights = channel_masks.by_difference(
                content.statistics, style.statistics, count, choose_by == MOST, amount, others
            )
        return (weights if combine_with is None else channel_masks.combine(weights, combine_with, combine),)


def _channels(content: Features | None, style: Features | Style | None, combine_with: Tensor | None) -> int:
    """How many channels there are, as the inputs say; without any as many as VGG has."""
    if content is not None:
        return content.tensor.shape[1]
    if style is not None:
        return style_of(style).statistics.mean.shape[1]
    return FEATURE_CHANNELS if combine_with is None else len(combine_with)
