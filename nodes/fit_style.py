"""Fit Style."""

from __future__ import annotations

from ..adain_core.fit_style import fit_style
from ..adain_core.memory import plain_memory
from . import host
from .convert import to_core
from .types import CATEGORY, DECODER, ENCODER, STYLE

_PASSES = 4  # forward and backward through both models keep about that many times what decoding needs
_PIXELS = 1024 * 1024


class FitStyle:
    """Fit Style."""

    DESCRIPTION = (
        "Makes one style of several images, for instance of one artist: starts at the average of their styles and "
        "improves it through the decoder until stylized images have their statistics."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["learn style", "average style", "style from images", "optimize style"]
    RETURN_TYPES = (STYLE,)
    RETURN_NAMES = ("style",)
    OUTPUT_TOOLTIPS = ("One style for all the images, for AdaIN, Style Mix or Save Style.",)
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
            },
        }

    def fit(self, encoder, decoder, images, steps, content=None):
        request = min(_PASSES * plain_memory(images.shape[1] * images.shape[2]), _PASSES * plain_memory(_PIXELS))
        models = encoder.load(request), decoder.load(request)
        contents = None if content is None else list(to_core(content).split(1))
        style = fit_style(*models, list(to_core(images).split(1)), steps, contents, host.progress_bar(steps))
        return (style.to(host.output_device()),)
