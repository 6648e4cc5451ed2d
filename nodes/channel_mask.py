"""AdaIN Channel Mask."""

from __future__ import annotations

from torch import Tensor

from ..adain_core.errors import AdaINError, check_known
from ..adain_core.method import channel_masks
from ..adain_core.method.content_statistics import content_statistics
from ..adain_core.method.features import FEATURE_CHANNELS, Features
from ..adain_core.method.style import Style
from ..adain_core.models.channel_clusters import cluster as channels_of_cluster
from ..adain_core.models.channel_clusters import clusters_for, load_clusters
from ..adain_core.models.fine import FINE_CHANNELS
from .inputs import style_of
from .types import CATEGORY, CHANNELS, FEATURES, FEATURES_OR_STYLE

RANGE, LIST, MOST, LEAST, CLUSTER, RANDOM = "range", "list", "differ most", "differ least", "cluster", "random"
_WAYS = (RANGE, LIST, MOST, LEAST, CLUSTER, RANDOM)
_MOST_SEED = 2**53 - 1  # what the front end's numbers hold


class ChannelMask:
    """AdaIN Channel Mask."""

    DESCRIPTION = (
        "Chooses which feature channels take the style: by what they respond to, a range, a list with weights, those "
        "in which content and style differ most or least, or at random. VGG-19 has 512 of them, the fine encoder 1088: "
        "these 512 and finer ones behind them."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["feature channels", "channel weights", "style transfer"]
    RETURN_TYPES = (CHANNELS,)
    RETURN_NAMES = ("channels",)
    OUTPUT_TOOLTIPS = ("One weight per channel, for AdaIN or another AdaIN Channel Mask.",)
    FUNCTION = "choose"

    @classmethod
    def INPUT_TYPES(cls):
        last = FINE_CHANNELS - 1  # of the encoder that has most
        weight = {"min": 0.0, "max": 1.0, "step": 0.01}
        return {
            "required": {
                "choose_by": (
                    [*_WAYS],
                    {
                        "tooltip": "range: first to last. list: the text below. differ most / least: the channels in "
                        "which AdaIN changes the content most or least; connect content and style. cluster: channels "
                        "that respond to the same thing. random: as many as count says."
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
                        "tooltip": "range: the last channel. Beyond the encoder's last one (511 of VGG-19, 1087 of the "
                        "fine encoder): that one.",
                    },
                ),
                "list": (
                    "STRING",
                    {
                        "default": "0-63:1, 64-127:0.5",
                        "tooltip": "list: channels, ranges or names of clusters, each with its weight.",
                    },
                ),
                "count": (
                    "INT",
                    {
                        "default": 256,
                        "min": 0,
                        "max": FINE_CHANNELS,
                        "tooltip": "differ most / least, random: how many channels.",
                    },
                ),
                "others": ("FLOAT", {**weight, "default": 0.0, "tooltip": "Weight of the channels not chosen."}),
                "content": (
                    FEATURES,
                    {
                        "tooltip": "differ most / least: the content. Else it only tells how many channels there are. "
                        "Without it the mask is of VGG-19's 512, and the finer ones of the fine encoder take its mean."
                    },
                ),
                "style": (FEATURES_OR_STYLE, {"tooltip": "differ most / least: the style."}),
                "combine_with": (CHANNELS, {"tooltip": "Another channel mask to combine this one with."}),
                "combine": (
                    list(channel_masks.COMBINATIONS),
                    {"tooltip": "How the two combine, channel by channel; add is cut at 1, blend is as blend says."},
                ),
                "cluster": (
                    [*load_clusters()],
                    {
                        "tooltip": "cluster: what the channels respond to. The help page shows it in pictures. Only "
                        "VGG-19's 512 channels are in clusters."
                    },
                ),
                "seed": (
                    "INT",
                    {
                        "default": 0,
                        "min": 0,
                        "max": _MOST_SEED,
                        "control_after_generate": False,  # the draw stays until its number is changed
                        "tooltip": "random: which channels are drawn. The same number draws the same ones.",
                    },
                ),
                "invert": (
                    "BOOLEAN",
                    {"default": False, "tooltip": "The other channels: each weight is taken from 1. Before combining."},
                ),
                "blend": (
                    "FLOAT",
                    {
                        **weight,
                        "default": 0.5,
                        "tooltip": "combine blend: how much of the other mask; 0 is all this one, 1 all the other.",
                    },
                ),
            },
        }

    def choose(
        self,
        choose_by,
        amount,
        first=0,
        last=FINE_CHANNELS - 1,
        list="",
        count=256,
        others=0.0,
        content=None,
        style=None,
        combine_with=None,
        combine="multiply",
        cluster="",
        seed=0,
        invert=False,
        blend=0.5,
    ):
        check_known("choose_by", choose_by, _WAYS)
        channels = _channels(content, style, combine_with)
        if choose_by == RANGE:
            last = last if first >= channels else min(last, channels - 1)  # the error quotes both as they were given
            weights = channel_masks.from_range(first, last, amount, others, channels)
        elif choose_by == LIST:
            weights = channel_masks.from_list(list, amount, others, channels, clusters_for(channels))
        elif choose_by == CLUSTER:
            chosen = channels_of_cluster(cluster, channels)
            weights = channel_masks.from_channels(chosen, amount, others, channels)
        elif choose_by == RANDOM:
            weights = channel_masks.drawn(count, seed, amount, others, channels)
        else:
            if content is None or style is None:
                raise AdaINError(f"{choose_by}: expected content and style connected, found one missing")
            style = style_of(style)
            style = style.seen_by(content.encoder_id, channels)
            weights = channel_masks.by_difference(
                content_statistics(content), style.statistics, count, choose_by == MOST, amount, others
            )
        if invert:
            weights = channel_masks.inverted(weights)
        if combine_with is not None:
            weights = channel_masks.combine(weights, combine_with, combine, blend)
        return (weights,)


def _channels(content: Features | None, style: Features | Style | None, combine_with: Tensor | None) -> int:
    """How many channels there are, as the inputs say; without any as many as VGG has."""
    if content is not None:
        return content.tensor.shape[1]
    if style is not None:
        return style_of(style).statistics.mean.shape[1]
    return FEATURE_CHANNELS if combine_with is None else len(combine_with)
