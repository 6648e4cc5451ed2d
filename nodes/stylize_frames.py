"""AdaIN Stylize Frames: AdaIN Stylize for the frames of one video."""

from __future__ import annotations

from ..adain_core.models.bundled import DEFAULT_PAIR
from ..adain_core.video.smoothing import TemporalSmoother
from . import execution, host
from .convert import opacity_of, to_comfy, to_core, unfilled
from .inputs import ALPHA, DETAIL_SIZE, FLOW, MASK, PAIR, REFINE, SMOOTHING, STYLE_SIZE
from .loaders import shared_pair
from .masks import mask_or_none
from .types import CATEGORY


class StylizeFrames:
    """AdaIN Stylize Frames."""

    DESCRIPTION = (
        "Stylizes the frames of one video in their order, with the models that come with the pack. What AdaIN measures "
        "is smoothed over time and the result follows the motion, so that it flickers less. Scene cuts are found."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["video style transfer", "flicker", "temporal consistency", "deflicker", "optical flow", "adain"]
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("The frames in that style, as many and as large as they came.",)
    FUNCTION = "stylize"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "content": ("IMAGE", {"tooltip": "Frames of one video, in order, of any size and number."}),
                "style": ("IMAGE", {"tooltip": "One style image, or one per frame."}),
                "alpha": ALPHA,
                "smoothing": SMOOTHING,
                "flow": FLOW,
            },
            "optional": {
                "mask": MASK,
                "preserve_color": (
                    "BOOLEAN",
                    {"default": False, "tooltip": "Give the style image each frame's colours first."},
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
        smoothing,
        flow,
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
        smoother = TemporalSmoother(smoothing, flow)
        pixels = to_core(content if alpha else unfilled(content), "content")
        given = (pixels, to_core(style, "style"), alpha, mask, preserve_color, smoother)
        more = {"refine": refine, "style_size": style_size, "detail_size": detail_size}
        more |= {"opacity": opacity_of(content), "style_mask": opacity_of(style)}
        return (to_comfy(execution.stylize(encoder, decoder, *given, **more), content),)
