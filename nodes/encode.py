"""VGG Encode."""

from __future__ import annotations

from . import execution
from .convert import mask_or_none, to_core
from .inputs import TILE_SIZE
from .types import CATEGORY, ENCODER, FEATURES


class Encode:
    """VGG Encode."""

    DESCRIPTION = "Turns images into VGG features, up to layer relu4_1: the content or the style of AdaIN."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["vgg features", "adain encode", "style transfer"]
    RETURN_TYPES = (FEATURES,)
    RETURN_NAMES = ("features",)
    OUTPUT_TOOLTIPS = ("Features with their channel statistics: content or style for AdaIN, input for Style Mix.",)
    FUNCTION = "encode"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "encoder": (ENCODER, {"tooltip": "From Load VGG Encoder; the same one for content and style."}),
                "image": ("IMAGE", {"tooltip": "Images of any size; each of a batch is encoded."}),
            },
            "optional": {
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Statistics are taken only where this is white: the style of a part of a picture. "
                        "Stretched to the image when sizes differ. The all-zero mask that Load Image gives pictures "
                        "without transparency counts as none."
                    },
                ),
                "tile_size": TILE_SIZE,
            },
        }

    def encode(self, encoder, image, mask=None, tile_size=0):
        return (execution.encode(encoder, to_core(image), mask_or_none(mask), tile_size),)
