"""The styles the pack ships, and style files by path, by name, and by number in a bank."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import AdaINError, about
from ..method.style import Style
from ..method.style_bank import row
from .bundled import WEIGHTS
from .style_files import load_style

LIBRARY = WEIGHTS / "styles"
ENDING = ".safetensors"
_NUMBERED = re.compile(rf"(.+{re.escape(ENDING)}):(\d+)", re.IGNORECASE | re.DOTALL)


def is_style_file(path: str | Path) -> bool:
    """Whether a path is a style file's, by its ending, perhaps with a number behind it, and not an image's."""
    return Path(_split(path)[0]).suffix.lower() == ENDING


def read_style(path: str | Path) -> Style:
    """One style of a style file.

    Args:
        path: as of `find_style`; of a bank with the number of one of its styles behind it, ``bank.safetensors:2``,
            counted from 0.

    Raises:
        AdaINError: as `find_style` and `load_style`, a bank without a number, or one that it does not have.
    """
    name, number = _split(path)
    style = load_style(find_style(name))
    with about(name):
        if number is None and style.batch > 1:
            raise AdaINError(f"expected one style, found a bank of {style.batch}; choose one: {Path(name).name}:0")
        return style if number is None else row(style, number)


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


def _split(path: str | Path) -> tuple[str, int | None]:
    """A style file, and the number behind it."""
    found = _NUMBERED.fullmatch(str(path))
    return (found[1], int(found[2])) if found else (str(path), None)
