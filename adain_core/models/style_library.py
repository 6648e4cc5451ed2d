"""The styles the pack ships."""

from __future__ import annotations

from pathlib import Path

from ..errors import AdaINError
from .bundled import WEIGHTS

LIBRARY = WEIGHTS / "styles"
ENDING = ".safetensors"


def is_style_file(path: str | Path) -> bool:
    """Whether a path is a style file's, by its ending, and not an image's."""
    return Path(path).suffix.lower() == ENDING


def find_style(path: str | Path) -> Path:
    """A style file: the one at that path, else the library's of that name, with its ending or without.

    Raises:
        AdaINError: there is neither.
    """
    path = Path(path)
    bundled = LIBRARY / f"{path.name.removesuffix(ENDING)}{ENDING}"
    for found in (path, bundled):
        if is_style_file(found) and found.is_file() and (found is path or len(path.parts) == 1):
            return found
    raise AdaINError(
        f"{path}: expected a style file or the name of one of the library's styles, found neither; "
        "'style list' names those"
    )
