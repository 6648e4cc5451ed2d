"""AdaIN Regions."""

from __future__ import annotations

from ..adain_core.errors import AdaINError, check_batch
from ..adain_core.inference.applications import plan_regions
from ..adain_core.inference.frames import applied
from ..adain_core.method.spatial_masks import feathered
from . import host
from .inputs import ALPHA_OF_FEATURES, style_of
from .masks import mask_or_none
from .types import CATEGORY, CHANNELS, FEATURES, FEATURES_OR_STYLE

COUNT = 4


class Regions:
    """AdaIN Regions."""

    DESCRIPTION = (
        "AdaIN with a style for each region of the picture, all at once: statistics are taken inside each region, soft "
        "edges blend, and where regions overlap none comes before another."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["regional style", "several styles", "masks", "spatial control", "style transfer"]
    RETURN_TYPES = (FEATURES,)
    RETURN_NAMES = ("features",)
    OUTPUT_TOOLTIPS = ("Stylized features, for AdaIN Decode.",)
    FUNCTION = "apply"

    @classmethod
    def INPUT_TYPES(cls):
        style = "A style: from VGG Encode, Style Mix, Load Style or Fit Style."
        mask = (
            "Where style {k} goes (white). One style may be without a mask: it takes what the others leave. An empty "
            "mask counts as none."
        )
        optional = {"mask_1": ("MASK", {"tooltip": mask.format(k=1)})}
        for k in range(2, COUNT + 1):
            optional[f"style_{k}"] = (FEATURES_OR_STYLE, {"tooltip": style})
            optional[f"mask_{k}"] = ("MASK", {"tooltip": mask.format(k=k)})
        return {
            "required": {
                "content": (FEATURES, {"tooltip": "What shall be stylized."}),
                "style_1": (FEATURES_OR_STYLE, {"tooltip": style}),
                "alpha": ALPHA_OF_FEATURES,
                "feather": (
                    "INT",
                    {
                        "default": 64,
                        "min": 0,
                        "max": 4096,
                        "step": 8,
                        "tooltip": "Width in pixels of the soft edges between regions; 0: the masks as they are.",
                    },
                ),
            },
            "optional": {
                **optional,
                "channels": (CHANNELS, {"tooltip": "How much of the style each feature channel takes."}),
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    def apply(self, content, style_1, alpha, feather, mask_1=None, channels=None, node_id=None, **more):
        given = {"style_1": style_1, "mask_1": mask_1, **more}
        styles, masks, notes = [], [], []
        for k in range(1, COUNT + 1):
            name = f"mask_{k}"
            mask, said = mask_or_none(given.get(name), f"style {k} takes what the others leave", name)
            if given.get(f"style_{k}") is None:
                if mask is not None:
                    raise AdaINError(f"mask_{k}: expected a style_{k} beside it, found none; connect one")
                continue
            if mask is not None:
                check_batch(name, mask.shape[0], content.tensor.shape[0])
            styles.append(style_of(given[f"style_{k}"]))
            masks.append(None if mask is None else feathered(mask, content.size, feather))
            notes += said
        host.show_text(node_id, *notes)
        if any(mask is not None for mask in masks):
            # As with AdaIN, these masks take the place of the one that VGG Encode was given; and it ends here.
            content = content.unmasked()
        return (applied(content, plan_regions(styles, masks, content.size), alpha, channels).unmasked(),)
