"""Style from Images."""

from __future__ import annotations

from ..adain_core.errors import AdaINError
from ..adain_core.images.folders import list_images, readable_pictures
from ..adain_core.inference.pooled_style import pooled_style
from ..adain_core.inference.stylize_file import DEFAULT_STYLE_SIZE
from . import execution, host, training_folders
from .convert import opacity_of, to_core
from .types import CATEGORY, ENCODER, STYLE

NO_FOLDER = "no folder"  # saved workflows hold it: it never changes


class StyleFromImages:
    """Style from Images."""

    DESCRIPTION = (
        "Makes one style of many images, connected or in a folder: the statistics over all their pixels together, as "
        "if they were one image."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["average style", "style of folder", "pooled style", "many images one style"]
    RETURN_TYPES = (STYLE,)
    RETURN_NAMES = ("style",)
    OUTPUT_TOOLTIPS = ("One style for all the images, for AdaIN, Style Mix or Save Style.",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "encoder": (ENCODER, {"tooltip": "From Load VGG Encoder."}),
                "style_folder": (
                    [NO_FOLDER, *training_folders.folders()],
                    {"tooltip": "Images of the style: a folder in ComfyUI's input directory, at any depth."},
                ),
                "style_size": (
                    "INT",
                    {
                        "default": DEFAULT_STYLE_SIZE,
                        "min": 0,
                        "max": 8192,
                        "step": 8,
                        "tooltip": "The folder's images are scaled to this short side, which sets the size of the "
                        "strokes; 0: as they are. Connected images stay as they are.",
                    },
                ),
            },
            "optional": {
                "images": ("IMAGE", {"tooltip": "Images of the style, beside those of the folder."}),
                "style_path": (
                    "STRING",
                    {
                        "default": "",
                        "advanced": True,
                        "tooltip": "A folder anywhere on this machine, in place of style_folder.",
                    },
                ),
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    @classmethod
    def IS_CHANGED(cls, style_folder=None, style_path="", **others):
        if style_folder is None or (style_folder == NO_FOLDER and not (style_path or "").strip()):
            return ""
        try:
            return training_folders.changes("style", style_folder, style_path or "")
        except AdaINError:
            return ""  # the run itself says what is wrong

    def make(self, encoder, style_folder, style_size, images=None, style_path="", node_id=None):
        paths = []
        if style_folder != NO_FOLDER or style_path.strip():
            found = training_folders.source("style", style_folder, style_path)
            paths = found if isinstance(found, list) else list_images(found)
        connected = [] if images is None else to_core(images, "images").split(1)
        opacity = None if images is None else opacity_of(images)
        if not paths and not connected:
            raise AdaINError("images: expected images or a folder of them, found neither; connect or choose one")
        done, total = 0, len(connected) + len(paths)
        bar = host.progress_bar(total)
        skipped: dict[str, str] = {}

        def everything():
            nonlocal done
            for k, image in enumerate(connected):
                yield image, None if opacity is None else opacity[k]
                bar(done := done + 1, total)
            name = style_path.strip() or style_folder
            for picture in readable_pictures(paths, style_size, name, skipped) if paths else ():
                yield picture.filled, picture.weights
                bar(done := done + 1, total)

        def encode(image, mask):
            return execution.encode(encoder, image, mask, progress=host.cancel_point)

        style = pooled_style(encode, everything())
        host.show_text(node_id, *training_folders.left_out(skipped))
        return (style,)
