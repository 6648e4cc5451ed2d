"""VGG Encode."""

from __future__ import annotations

from ..adain_core.errors import check_batch
from ..adain_core.method.adain import nonempty
from ..adain_core.method.spatial_masks import to_size, where_visible
from . import execution, host
from .convert import opacity_of, to_core
from .inputs import STATISTICS_SIZE, TILE_SIZE
from .masks import empty_samples, mask_or_none
from .types import CATEGORY, ENCODER, FEATURES


class Encode:
    """VGG Encode."""

    DESCRIPTION = (
        "Turns images into features, the content or the style of AdaIN: VGG-19's at layer relu4_1, or those of the "
        "encoder that is connected."
    )
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
                        "Stretched to the image when sizes differ. An empty mask, as Load Image gives for pictures "
                        "without transparency, counts as none."
                    },
                ),
                "tile_size": TILE_SIZE,
                "statistics_size": STATISTICS_SIZE,
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    def encode(self, encoder, image, mask=None, tile_size=0, statistics_size=0, node_id=None):
        mask, notes = mask_or_none(mask, "statistics are taken everywhere")
        if mask is not None and (empty := empty_samples(mask)):
            # There are no values to average; the style of the whole picture is closer to what was meant than an error.
            notes = [
                f"The mask is empty for image {', '.join(map(str, empty))}: statistics are taken everywhere there."
            ]
            mask = nonempty(mask)
        host.show_text(node_id, *notes)
        pixels, opacity = to_core(image, "image"), opacity_of(image)
        if mask is not None and opacity is not None:
            check_batch("mask", mask.shape[0], image.shape[0], "the image")
            opacity = where_visible(to_size(mask, (image.shape[1], image.shape[2])), opacity)
        mask = mask if opacity is None else opacity
        return (execution.encode(encoder, pixels, mask, tile_size, statistics_size=statistics_size),)
