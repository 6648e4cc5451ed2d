"""AdaIN Style Grid."""

from __future__ import annotations

import torch

from ..adain_core.errors import AdaINError
from ..adain_core.images.labelled_grid import labelled_grid
from ..adain_core.inference.style_grid import LARGEST, SMALLEST, plan_grid, stylized_cells
from . import execution, host
from .convert import to_comfy
from .inputs import ALPHA_OF_FEATURES, style_of
from .types import CATEGORY, DECODER, FEATURES, FEATURES_OR_STYLE

COUNT = 4


class StyleGrid:
    """AdaIN Style Grid."""

    DESCRIPTION = (
        "One content in many mixtures: alpha in steps with one style, from one style to the other with two, all "
        "between the corners with four. Content and styles are encoded once."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["style interpolation", "xy plot", "alpha steps", "compare styles", "contact sheet"]
    RETURN_TYPES = ("IMAGE", "IMAGE")
    RETURN_NAMES = ("images", "picture")
    OUTPUT_TOOLTIPS = (
        "All of them in one batch, row after row, each of the content's size.",
        "All of them in one picture, each with its alpha or its weights under it.",
    )
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):
        places = {2: "at the right end, or of four at the upper right", 3: "at the lower left", 4: "at the lower right"}
        return {
            "required": {
                "decoder": (DECODER, {"tooltip": "From Load AdaIN Decoder."}),
                "content": (FEATURES, {"tooltip": "One encoded photo."}),
                "style_1": (
                    FEATURES_OR_STYLE,
                    {"tooltip": "The first style; alone: the one that alpha goes up to."},
                ),
                "steps": (
                    "INT",
                    {
                        "default": 5,
                        "min": SMALLEST,
                        "max": LARGEST,
                        "tooltip": "Pictures in a row; with four styles as many rows.",
                    },
                ),
                "alpha": ALPHA_OF_FEATURES,
                "cell": (
                    "INT",
                    {
                        "default": 256,
                        "min": 0,
                        "max": 4096,
                        "step": 8,
                        "tooltip": "The longer side of each in the picture, in pixels; 0: the content's own size.",
                    },
                ),
            },
            "optional": {
                f"style_{k}": (FEATURES_OR_STYLE, {"tooltip": f"The style {places[k]}."}) for k in range(2, COUNT + 1)
            },
        }

    def make(self, decoder, content, style_1, steps, alpha, cell, style_2=None, style_3=None, style_4=None):
        given = [style_1, style_2, style_3, style_4]
        found = [style for style in given if style is not None]
        if any(style is None for style in given[: len(found)]) or len(found) == 3:
            raise AdaINError("styles: expected style_1 alone, style_1 and style_2, or all four, found others")
        cells = plan_grid(len(found), steps, alpha)
        bar, pictures = host.progress_bar(len(cells)), []

        def decode(features):
            return execution.decode(decoder, features, progress=host.cancel_point)

        for picture in stylized_cells(decode, content, [style_of(style) for style in found], cells):
            pictures.append(picture)
            bar(len(pictures), len(cells))
        picture = labelled_grid(pictures, [each.label for each in cells], steps, cell)
        return to_comfy(torch.cat(pictures)), to_comfy(picture)
