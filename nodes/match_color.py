"""Match Color."""

from __future__ import annotations

from ..adain_core.images.color import METHODS
from . import execution
from .convert import opacity_of, to_comfy, to_core, unfilled
from .types import CATEGORY


class MatchColor:
    """Match Color."""

    DESCRIPTION = (
        "Gives an image the colours of a reference: before stylizing, to give the style image the photo's colours; "
        "or after it, to bring the photo's colours back."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["color transfer", "preserve color", "keep colors"]
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("The image in the reference's colours.",)
    FUNCTION = "match"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "What shall be recoloured."}),
                "reference": ("IMAGE", {"tooltip": "Where the colours come from: one image, or one per image."}),
                "method": (
                    list(METHODS),
                    {
                        "tooltip": "mean-covariance: colours as a whole, whatever the pictures show. luminance: the "
                        "image's brightness with the reference's colour at each place; the reference is stretched to "
                        "the image's size. histogram: colours as a whole and how often each occurs, nearest to the "
                        "reference."
                    },
                ),
            },
            "optional": {
                "strength": (
                    "FLOAT",
                    {
                        "default": 1.0,
                        "min": 0.0,
                        "max": 1.0,
                        "step": 0.01,
                        "tooltip": "0 gives the image back, 1 the reference's colours in full.",
                    },
                ),
            },
        }

    def match(self, image, reference, method, strength=1.0):
        pixels = to_core(image if strength else unfilled(image), "image")
        given = pixels, to_core(reference, "reference"), method, strength
        return (to_comfy(execution.match_color(*given, opacity_of(image), opacity_of(reference)), image),)
