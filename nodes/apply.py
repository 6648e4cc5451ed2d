"""AdaIN."""

from __future__ import annotations

from ..adain_core.inference.pipeline import apply_style
from . import host
from .inputs import ALPHA_OF_FEATURES, style_of
from .masks import mask_or_none
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
                "alpha": ALPHA_OF_FEATURES,
            },
            "optional": {
                "mask": (
                    "MASK",
                    {
                        "tooltip": "Where to stylize (white); soft edges blend. Elsewhere the content's features stay; "
                        "its pixels do not, as they pass through the decoder. The content's statistics are taken "
                        "inside it. Stretched to the image when sizes differ. An empty mask, as Load Image gives "
                        "for pictures without transparency, counts as none."
                    },
                ),
                "channels": (CHANNELS, {"tooltip": "How much of the style each feature channel takes."}),
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    def apply(self, content, style, alpha, mask=None, channels=None, node_id=None):
        mask, notes = mask_or_none(mask, "everything is stylized")
        host.show_text(node_id, *notes)
        if mask is not None:
            # As in 1.0.0, this mask takes the place of the one that VGG Encode was given; and it ends here.
            content = content.unmasked()
        return (apply_style(content, style_of(style), alpha, channels, mask).unmasked(),)
