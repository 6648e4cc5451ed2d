"""AdaIN Refine."""

from __future__ import annotations

from collections import Counter

from ..adain_core.images.files import to_image
from ..adain_core.inference.applications import Application
from ..adain_core.inference.refinement import STYLE_WEIGHT, check_refinement, refinement_goals
from . import execution, host
from .convert import to_comfy, to_core
from .inputs import TILE_SIZE, style_of
from .masks import mask_or_none
from .types import CATEGORY, CHANNELS, DECODER, ENCODER, FEATURES, FEATURES_OR_STYLE

_cancelled: Counter[str | None] = Counter()  # how often each node was ended early


class Refine:
    """AdaIN Refine."""

    DESCRIPTION = (
        "Brings a decoded picture closer to its style and its content by gradient descent: colours, strokes and fine "
        "texture that the decoder misses. Connect the decoder: through it the steps do far more than on pixels. Cancel "
        "ends it early and keeps what it has."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["optimize", "gatys", "enhance style", "neural style transfer", "quality"]
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("The refined images, as large as they came.",)
    FUNCTION = "refine"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "encoder": (ENCODER, {"tooltip": "From Load VGG Encoder; the one that the features are from."}),
                "image": ("IMAGE", {"tooltip": "What AdaIN Decode made of the features: where to begin."}),
                "features": (FEATURES, {"tooltip": "What AdaIN gave, and AdaIN Decode was given."}),
                "style": (FEATURES_OR_STYLE, {"tooltip": "What AdaIN was given as style."}),
                "steps": (
                    "INT",
                    {
                        "default": 10,
                        "min": 0,
                        "max": 1000,
                        "tooltip": "10 make most of the difference. Each is a pass through the encoder, and the "
                        "decoder, and back: a fraction of a second on a GPU, seconds on the CPU.",
                    },
                ),
            },
            "optional": {
                "alpha": (
                    "FLOAT",
                    {
                        "default": 1.0,
                        "min": 0.0,
                        "max": 1.0,
                        "step": 0.01,
                        "tooltip": "The alpha that AdaIN was given.",
                    },
                ),
                "mask": (
                    "MASK",
                    {"tooltip": "The mask AdaIN was given: the style is measured inside it. An empty one is none."},
                ),
                "style_weight": (
                    "FLOAT",
                    {
                        "default": STYLE_WEIGHT,
                        "min": 0.0,
                        "max": 1000.0,
                        "step": 0.5,
                        "advanced": True,
                        "tooltip": "How much the style counts against the content.",
                    },
                ),
                "tile_size": TILE_SIZE,
                "decoder": (
                    DECODER,
                    {
                        "tooltip": "From Load AdaIN Decoder; the one that made the image. The steps then change what "
                        "it paints from. Without it they change the pixels, which is faster and does less."
                    },
                ),
                "channels": (CHANNELS, {"tooltip": "The channel mask that AdaIN was given."}),
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    @classmethod
    def IS_CHANGED(cls, node_id=None, **_):
        """Another value after a cancel, so that what was kept then is not taken for the whole."""
        return _cancelled[node_id]

    def refine(
        self,
        encoder,
        image,
        features,
        style,
        steps,
        alpha=1.0,
        mask=None,
        style_weight=STYLE_WEIGHT,
        tile_size=0,
        decoder=None,
        channels=None,
        node_id=None,
    ):
        mask, notes = mask_or_none(mask, "the style is measured everywhere")
        check_refinement(steps, encoder.model)
        images = to_core(image, "image")
        goals = refinement_goals(features, [Application(style_of(style), mask)], alpha, channels)
        bar, shown, taken, total = host.progress_bar(1), images, 0, steps * len(images)

        def show(pictures):
            nonlocal shown, taken
            shown, taken = pictures, taken + 1
            bar(taken, total, to_image(pictures[(taken - 1) // steps]))

        given = (encoder, images, features, goals, steps, decoder, style_weight, tile_size)
        try:
            shown = execution.refine(*given, progress=bar, show=show)
        except host.CANCELLED:
            if not taken:
                raise
            _cancelled[node_id] += 1
            notes.append(f"Stopped after {taken} of {total} steps.")
        host.show_text(node_id, *notes)
        return (to_comfy(shown),)
