"""Fit Style."""

from __future__ import annotations

from ..adain_core.training.fit_style import LARGEST_STYLE, fit_bank, fit_style
from . import host
from .convert import opacity_of, to_core
from .gradients import advice_when_out_of_memory, memory_of
from .types import CATEGORY, DECODER, ENCODER, STYLE


class FitStyle:
    """Fit Style."""

    DESCRIPTION = (
        "Makes one style of several images, for instance of one artist: starts at the average of their styles and "
        "improves it through the decoder until stylized images have their statistics. Or improves the style of each."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["learn style", "average style", "style from images", "optimize style"]
    RETURN_TYPES = (STYLE,)
    RETURN_NAMES = ("style",)
    OUTPUT_TOOLTIPS = (
        "One style for all the images, or a bank with one for each, for AdaIN, Style Mix or Save Style.",
    )
    FUNCTION = "fit"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "encoder": (ENCODER, {"tooltip": "From Load VGG Encoder."}),
                "decoder": (DECODER, {"tooltip": "The decoder the style will be used with."}),
                "images": (
                    "IMAGE",
                    {"tooltip": "A batch of images of one style; above 1024 pixels they are scaled down."},
                ),
                "steps": (
                    "INT",
                    {
                        "default": 100,
                        "min": 0,
                        "max": 10000,
                        "tooltip": "Steps of improvement, a fraction of a second each on a GPU; 0: the plain average.",
                    },
                ),
            },
            "optional": {
                "content": (
                    "IMAGE",
                    {"tooltip": "Photos to try the style on meanwhile; without them the images themselves are used."},
                ),
                "bank": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "tooltip": "A style for each image in place of one for all: a bank, for Pick Style.",
                    },
                ),
            },
        }

    def fit(self, encoder, decoder, images, steps, content=None, bank=False):
        pixels = min(images.shape[1] * images.shape[2], LARGEST_STYLE**2)
        paintings = list(to_core(images, "images").split(1))
        opacity = opacity_of(images)
        masks = None if opacity is None else list(opacity.split(1))
        contents = None if content is None else list(to_core(content, "content").split(1))
        with advice_when_out_of_memory("scale the images down"):
            host.load_together([encoder, decoder], memory_of(pixels))
            fit = fit_bank if bank else fit_style
            style = fit(encoder.model, decoder.model, paintings, steps, contents, host.progress_bar(1), masks)
        return (style.to(host.output_device()),)
