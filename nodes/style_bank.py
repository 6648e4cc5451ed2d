"""Style Bank."""

from __future__ import annotations

from ..adain_core.method.style_bank import joined
from .inputs import style_of
from .types import CATEGORY, FEATURES_OR_STYLE, STYLE

COUNT = 4


class StyleBank:
    """Style Bank."""

    DESCRIPTION = "Joins styles, such as saved ones, into a bank: several styles in one, each as it is."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["join styles", "combine styles", "batch styles", "list of styles"]
    RETURN_TYPES = (STYLE,)
    RETURN_NAMES = ("styles",)
    OUTPUT_TOOLTIPS = ("The bank, for Pick Style, Save Style, or as many images and keys of a video as it has styles.",)
    FUNCTION = "join"

    @classmethod
    def INPUT_TYPES(cls):
        tooltip = "From Load Style, VGG Encode or Style Mix. Of a bank, all its styles: so there may be more than four."
        following = "Comes after those before; left out when not connected."
        return {
            "required": {"style_1": (FEATURES_OR_STYLE, {"tooltip": tooltip})},
            "optional": {f"style_{k}": (FEATURES_OR_STYLE, {"tooltip": following}) for k in range(2, COUNT + 1)},
        }

    def join(self, style_1, style_2=None, style_3=None, style_4=None):
        return (joined([style_of(style) for style in (style_1, style_2, style_3, style_4) if style is not None]),)
