"""Save Style, Load Style."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..adain_core.errors import AdaINError
from ..adain_core.images.files import to_image
from ..adain_core.models.style_files import load_style, load_thumbnail, save_style
from ..adain_core.models.tensor_files import read_safetensors
from . import host
from .convert import to_core
from .inputs import style_of
from .names import file_name
from .types import CATEGORY, FEATURES_OR_STYLE, STYLE

_replaced: Counter[str] = Counter()  # how often the file of a name got another style than it had


class SaveStyle:
    """Save Style."""

    DESCRIPTION = "Saves a style, a few kilobytes, to models/adain_styles, for Load Style."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["save adain style", "export style"]
    RETURN_TYPES = (STYLE,)
    RETURN_NAMES = ("style",)
    OUTPUT_TOOLTIPS = ("The same style, to go on with.",)
    FUNCTION = "save"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "style": (FEATURES_OR_STYLE, {"tooltip": "From VGG Encode, Style Mix or Fit Style."}),
                "name": (
                    "STRING",
                    {
                        "default": "my style",
                        "tooltip": "File name; a file of that name is replaced, one of the pack's own never.",
                    },
                ),
            },
            "optional": {
                "author": (
                    "STRING",
                    {
                        "default": "",
                        "advanced": True,
                        "tooltip": "Who made the style image, kept in the file. Empty: as the style says.",
                    },
                ),
                "license": (
                    "STRING",
                    {
                        "default": "",
                        "advanced": True,
                        "tooltip": "Its licence, kept in the file. Empty: as the style says.",
                    },
                ),
                "thumbnail": (
                    "IMAGE",
                    {"tooltip": "A picture kept in the file, scaled down to 96 pixels; Load Style shows it."},
                ),
            },
        }

    @classmethod
    def IS_CHANGED(cls, name=None, **_):
        """Another value once another style took the name: ComfyUI still knows the one before, and would not save it."""
        try:
            return 0 if name is None else _replaced[file_name("name", name)]
        except AdaINError:
            return 0  # said when the node runs

    def save(self, style, name, author="", license="", thumbnail=None):
        name = file_name("name", name)
        file = f"{name}.safetensors"
        if host.is_bundled(file, host.STYLE_FOLDER):
            # A style of that name would take the place of the pack's own in workflows that load it.
            raise AdaINError(f"name: expected another one than the pack's own styles have, found {name!r}")
        path, found = host.save_folder(host.STYLE_FOLDER) / file, host.find_model(file, host.STYLE_FOLDER)
        if found is not None and found.resolve() != path.resolve():
            # Load Style would go on loading that one: folders of extra_model_paths.yaml come first.
            raise AdaINError(f"name: expected one that no other folder of styles has, found {name!r} in {found.parent}")
        style = style_of(style)
        given = {"name": name, "author": author, "license": license}
        style = replace(style, info=style.info | {key: text for key, text in given.items() if text})
        picture = None if thumbnail is None else to_image(to_core(thumbnail, "thumbnail")[0])
        before = _held(path)
        save_style(path, style, picture)
        _replaced[name] += before not in (None, _held(path))
        return (style,)


def _held(path: Path) -> tuple[dict[str, str], dict[str, Any]] | None:
    """What a file holds; the order of its texts is left to chance. None: there is no such file, or a damaged one."""
    try:
        tensors, texts = read_safetensors(path)
    except AdaINError:
        return None
    return texts, {key: values.tolist() for key, values in tensors.items()}


class LoadStyle:
    """Load Style."""

    DESCRIPTION = "Loads one of the pack's styles, or one saved with Save Style, and shows its thumbnail."
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["load adain style", "import style"]
    RETURN_TYPES = (STYLE,)
    RETURN_NAMES = ("style",)
    OUTPUT_TOOLTIPS = ("The style, for AdaIN or Style Mix.",)
    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls):
        tooltip = "The pack's styles and the files (.safetensors) in models/adain_styles; press R to see new ones."
        return {"required": {"name": (host.model_files(host.STYLE_FOLDER), {"tooltip": tooltip})}}

    @classmethod
    def IS_CHANGED(cls, name=None):
        return host.time_changed(name, host.STYLE_FOLDER)

    @classmethod
    def VALIDATE_INPUTS(cls, name=None):
        return host.validated(name, host.STYLE_FOLDER)

    def load(self, name):
        path = host.model_path(name, host.STYLE_FOLDER)
        style, picture = load_style(path), load_thumbnail(path)
        if picture is not None:
            # Shown on the node as a preview: among the run's results it would be taken for one of its pictures.
            host.progress_bar(1)(1, 1, picture)
        return (style,)
