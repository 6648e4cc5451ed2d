"""Pick Style."""

from __future__ import annotations

import re

from ..adain_core.errors import AdaINError
from ..adain_core.method.style_bank import mixed, row
from .inputs import style_of
from .types import CATEGORY, FEATURES_OR_STYLE, STYLE


class PickStyle:
    """Pick Style."""

    DESCRIPTION = "Takes one style out of a bank, or mixes its styles by weight."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["style bank", "choose style", "style from batch", "index"]
    RETURN_TYPES = (STYLE,)
    RETURN_NAMES = ("style",)
    OUTPUT_TOOLTIPS = ("That style, for AdaIN, Style Mix or Save Style.",)
    FUNCTION = "pick"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "styles": (
                    FEATURES_OR_STYLE,
                    {"tooltip": "Several styles in one: of Style Bank, Fit Style as a bank, or VGG Encode of a batch."},
                ),
                "number": (
                    "INT",
                    {
                        "default": 0,
                        "min": 0,
                        "max": 9999,
                        "tooltip": "Which style, counted from 0 in the order in which they came.",
                    },
                ),
            },
            "optional": {
                "weights": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "A mix instead: a weight for each style, such as 1 0.5 0, scaled to sum to 1. "
                        "Empty: the one of that number.",
                    },
                ),
            },
        }

    def pick(self, styles, number, weights=""):
        bank = style_of(styles)
        return (mixed(bank, _numbers(weights)) if weights.strip() else row(bank, number),)


def _numbers(text: str) -> list[float]:
    try:
        return [float(number) for number in re.split(r"[\s,;]+", text.strip())]
    except ValueError:
        raise AdaINError(f"weights: expected numbers such as 1 0.5 0, found {text!r}") from None
