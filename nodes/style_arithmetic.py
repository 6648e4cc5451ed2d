"""Style Arithmetic."""

from __future__ import annotations

from ..adain_core.method.style_arithmetic import toward
from .inputs import style_of
from .types import CATEGORY, FEATURES_OR_STYLE, STYLE


def _amount(k: int, default: float):
    tooltip = (
        f"How far toward style_{k}: 1 all the way, above 1 beyond it, which exaggerates it; below 0 away from it, "
        "which exaggerates what style has unlike it. Amounts add up."
    )
    return ("FLOAT", {"default": default, "min": -4.0, "max": 4.0, "step": 0.05, "tooltip": tooltip})


class StyleArithmetic:
    """Style Arithmetic."""

    DESCRIPTION = (
        "Moves a style toward others, beyond them or away from them: exaggerates a style, subtracts one from another, "
        "or carries over what two differ by."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["exaggerate style", "subtract style", "extrapolate style", "style math"]
    RETURN_TYPES = (STYLE,)
    RETURN_NAMES = ("style",)
    OUTPUT_TOOLTIPS = ("The moved style, for AdaIN, Style Mix or Save Style.",)
    FUNCTION = "move"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "style": (FEATURES_OR_STYLE, {"tooltip": "Where it begins. All amounts 0 give it back."}),
                "style_1": (
                    FEATURES_OR_STYLE,
                    {"tooltip": "Where it goes, or what it goes away from: a style, or the photo's own features."},
                ),
                "amount_1": _amount(1, -0.5),
            },
            "optional": {
                "style_2": (FEATURES_OR_STYLE, {"tooltip": "Another one, or none."}),
                "amount_2": _amount(2, 0.0),
            },
        }

    def move(self, style, style_1, amount_1, style_2=None, amount_2=0.0):
        others, amounts, names = [style_of(style_1)], [amount_1], ["style", "style_1"]
        if style_2 is not None:
            others.append(style_of(style_2))
            amounts.append(amount_2)
            names.append("style_2")
        return (toward(style_of(style), others, amounts, names),)
