"""Example Image."""

from __future__ import annotations

from pathlib import Path

from ..adain_core.errors import AdaINError
from ..adain_core.images.files import load_picture
from .convert import to_comfy
from .examples import CONTENT, STYLE, example_images
from .types import CATEGORY


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
        tooltip = "Pictures of the pack; examples/SOURCES.md says where each is from and its licence."
        return {"required": {"name": (list(_pictures()), {"tooltip": tooltip})}}

    def load(self, name):
        pictures = _pictures()
        if name not in pictures:
            raise AdaINError(f"name: expected one of the pack's example images, found {name!r}")
        return (to_comfy(load_picture(pictures[name]).pixels),)


def _pictures() -> dict[str, Path]:
    """The example images by name, contents first."""
    return {path.name: path for kind in (CONTENT, STYLE) for path in example_images(kind)}
