"""Style Mix."""

from __future__ import annotations

from ..adain_core.errors import AdaINError
from ..adain_core.method.style import mix
from .inputs import style_of
from .types import CATEGORY, FEATURES_OR_STYLE, STYLE

COUNT = 4


def _weight(k: int):
    tooltip = f"How much of style_{k}; the weights of connected styles are scaled to sum to 1."
    return ("FLOAT", {"default": 1.0, "min": 0.0, "max": 10.0, "step": 0.01, "tooltip": tooltip})


class StyleMix:
    """Style Mix."""

    DESCRIPTION = "Mixes up to four styles into one, by weight."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["style interpolation", "blend styles", "style transfer"]
    RETURN_TYPES = (STYLE,)
    RETURN_NAMES = ("style",)
    OUTPUT_TOOLTIPS = ("The mixed style, for AdaIN or Save Style.",)
    FUNCTION = "mix"

    @classmethod
    def INPUT_TYPES(cls):
        optional = {}
        for k in range(2, COUNT + 1):
            tooltip = f"Style {k}; left out of the mix when not connected."
            optional[f"style_{k}"] = (FEATURES_OR_STYLE, {"tooltip": tooltip})
            optional[f"weight_{k}"] = _weight(k)
        return {
            "required": {
                "style_1": (FEATURES_OR_STYLE, {"tooltip": "From VGG Encode, Load Style or another Style Mix."}),
                "weight_1": _weight(1),
            },
            "optional": optional,
        }

    def mix(self, style_1, weight_1, **others):
        names, styles, weights = ["style_1"], [style_of(style_1)], [weight_1]
        for k in range(2, COUNT + 1):
            if others.get(f"style_{k}") is not None:
                names.append(f"style_{k}")
                styles.append(style_of(others[f"style_{k}"]))
                weights.append(others.get(f"weight_{k}", 1.0))
        if not any(weights):
            raise AdaINError("weights: expected one of the connected styles above 0, found all at 0")
        return (mix(styles, weights, names),)
