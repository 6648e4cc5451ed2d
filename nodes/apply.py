"""AdaIN."""

from __future__ import annotations

from ..adain_core.inference.pipeline import apply_style
from .convert import mask_or_none
from .inputs import ALPHA, style_of
from .types import CATEGORY, CHANNELS, FEATURES, FEATURES_OR_STYLE


class Apply:
    """AdaIN."""

    DESCRIPTION = "Adaptive instance normalization: gives the content's features the style's mean and deviation."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["adaptive instance normalization", "apply style", "style transfer"]
    RETURN_TYPES = (FEATURES,)
    RETURN_NAMES = ("features",)
    OUTPUT_TOOLTIPS = ("Stylized features, for AdaIN Decode or for another AdaIN with another mask.",)
    FUNCTION = "apply"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "content": (FEATURES, {"tooltip": "What shall be stylized."}),
                "style": (FEATURES_OR_STYLE, {"tooltip": "From VGG Encode, Style Mix, Load Style or Fit Style."}),
                "alpha": ALPHA,
            },
            "optional": {
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Where to stylize (white); soft edges blend. The content's statistics are taken "
                        "inside it. Stretched to the image when sizes differ. The all-zero mask that Load Image "
                        "gives pictures without transparency counts as none."
                    },
                ),
                "channels": (CHANNELS, {"tooltip": "How much of the style each feature channel takes."}),
            },
        }

    def apply(self, content, style, alpha, mask=None, channels=None):
        return (apply_style(content, style_of(style), alpha, channels, mask_or_none(mask)),)
