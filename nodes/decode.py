"""AdaIN Decode."""

from __future__ import annotations

from . import execution
from .convert import to_comfy
from .inputs import TILE_SIZE
from .types import CATEGORY, DECODER, FEATURES


class Decode:
    """AdaIN Decode."""

    DESCRIPTION = (
        "Turns features back into images of exactly the content's size. A decoder paints anew: content without any "
        "style comes back at about 20 dB, with softer detail."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["adain decode", "style transfer"]
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("The stylized images, as large as the content images.",)
    FUNCTION = "decode"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "decoder": (DECODER, {"tooltip": "From Load AdaIN Decoder or Train AdaIN Decoder."}),
                "features": (FEATURES, {"tooltip": "From AdaIN, or from VGG Encode to see what the decoder loses."}),
            },
            "optional": {"tile_size": TILE_SIZE},
        }

    def decode(self, decoder, features, tile_size=0):
        return (to_comfy(execution.decode(decoder, features, tile_size)),)
