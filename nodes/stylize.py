"""AdaIN Stylize: the whole graph in one node, with the bundled models."""

from __future__ import annotations

from ..adain_core.models.bundled import DEFAULT_PAIR
from . import execution, host
from .convert import opacity_of, to_comfy, to_core, unfilled
from .inputs import ALPHA, DETAIL_SIZE, MASK, PAIR, REFINE, STYLE_SIZE
from .loaders import shared_pair
from .masks import mask_or_none
from .types import CATEGORY


class Stylize:
    """AdaIN Stylize."""

    DESCRIPTION = (
        "Stylizes images in one step, with the models that come with the pack. Frames of a video go through a few at a "
        "time, so that long batches need no more memory than their images."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["neural style transfer", "style transfer", "adain"]
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("The content in that style, as large as the content.",)
    FUNCTION = "stylize"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "content": ("IMAGE", {"tooltip": "Images to stylize, of any size."}),
                "style": ("IMAGE", {"tooltip": "One style image, or one per content image."}),
                "alpha": ALPHA,
            },
            "optional": {
                "mask": MASK,
                "preserve_color": (
                    "BOOLEAN",
                    {"default": False, "tooltip": "Give the style image the content's colours first."},
                ),
                "pair": PAIR,
                "refine": REFINE,
                "style_size": STYLE_SIZE,
                "detail_size": DETAIL_SIZE,
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    def stylize(
        self,
        content,
        style,
        alpha,
        mask=None,
        preserve_color=False,
        pair=DEFAULT_PAIR,
        refine=0,
        style_size=0,
        detail_size=0,
        node_id=None,
    ):
        encoder, decoder = shared_pair(pair)
        mask, notes = mask_or_none(mask, "everything is stylized")
        host.show_text(node_id, *notes)
        pixels = to_core(content if alpha else unfilled(content), "content")
        given = (pixels, to_core(style, "style"), alpha, mask, preserve_color)
        more = {"refine": refine, "style_size": style_size, "detail_size": detail_size}
        more |= {"opacity": opacity_of(content), "style_mask": opacity_of(style)}
        return (to_comfy(execution.stylize(encoder, decoder, *given, **more), content),)
