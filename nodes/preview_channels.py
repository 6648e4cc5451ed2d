"""AdaIN Preview Channels."""

from __future__ import annotations

from functools import partial

from ..adain_core.inference.channel_preview import preview_channels
from . import execution, host
from .convert import to_comfy
from .inputs import style_of
from .types import CATEGORY, CHANNELS, DECODER, FEATURES, FEATURES_OR_STYLE


class PreviewChannels:
    """AdaIN Preview Channels."""

    DESCRIPTION = (
        "Shows what a choice of feature channels changes in your own picture: with the style in these channels, "
        "without it, and the difference."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["feature channels", "what channels do", "channel mask", "visualize", "compare"]
    RETURN_TYPES = ("IMAGE", "IMAGE", "IMAGE")
    RETURN_NAMES = ("on", "off", "difference")
    OUTPUT_TOOLTIPS = (
        "The style in these channels, as AdaIN with this mask gives.",
        "No style in any channel: the content as the decoder paints it.",
        "What the channels change: grey where nothing does. The node says how many times as strong it is shown.",
    )
    FUNCTION = "preview"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "decoder": (DECODER, {"tooltip": "From Load AdaIN Decoder or Train AdaIN Decoder."}),
                "content": (FEATURES, {"tooltip": "From VGG Encode: your picture."}),
                "style": (FEATURES_OR_STYLE, {"tooltip": "From VGG Encode, Style Mix, Load Style or Fit Style."}),
                "channels": (CHANNELS, {"tooltip": "From AdaIN Channel Mask: the channels to show."}),
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    def preview(self, decoder, content, style, channels, node_id=None):
        on, off, difference, gain = preview_channels(
            partial(execution.decode, decoder), content, style_of(style), channels
        )
        shown = f"{int((channels > 0).sum())} of {len(channels)} channels"
        finer = content.tensor.shape[1] - len(channels)
        if finer > 0:
            shown += f", and the mask's mean, {float(channels.mean()):.2f}, in the {finer} finer ones"
        host.show_text(node_id, f"{shown}. The difference is shown {gain:.1f} times as strong.")
        return to_comfy(on), to_comfy(off), to_comfy(difference)
