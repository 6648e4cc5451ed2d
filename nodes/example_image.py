"""Example Image."""

from __future__ import annotations

from pathlib import Path

from ..adain_core.errors import AdaINError
from ..adain_core.images import load_picture
from .convert import to_comfy
from .types import CATEGORY

FOLDER = Path(__file__).resolve().parent.parent / "examples"
_KINDS = ("content_*.jpg", "style_*.jpg")


class ExampleImage:
    """Example Image."""

    DESCRIPTION = "One of the pack's own pictures, so that the example workflows run as they are."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["sample image", "test image"]
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    OUTPUT_TOOLTIPS = ("The picture.",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls):
        names = [path.name for kind in _KINDS for path in sorted(FOLDER.glob(kind))]
        tooltip = "Pictures of the pack; examples/SOURCES.md says where each is from and its licence."
        return {"required": {"name": (names, {"tooltip": tooltip})}}

    def load(self, name):
        if Path(name).name != name:
            raise AdaINError(f"name: expected one of the pack's example images, found {name!r}")
        return (to_comfy(load_picture(FOLDER / name).pixels),)
