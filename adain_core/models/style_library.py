"""The styles the pack ships, and style files by path, by name, and by number in a bank."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import AdaINError, about
from ..method.features import FEATURE_CHANNELS
from ..method.style import Style
from ..method.style_bank import row
from .bundled import WEIGHTS, pairs_for_styles_of
from .style_files import load_style

LIBRARY = WEIGHTS / "styles"
ENDING = ".safetensors"
_NUMBERED = re.compile(rf"(.+{re.escape(ENDING)}):(\d+)", re.IGNORECASE | re.DOTALL)


def is_style_file(path: str | Path) -> bool:
    """Whether a path is a style file's and not an image's: by its ending, perhaps with a number behind it.

    Or it is the name of one of the library's, where there is no file of that name.
    """
    name = Path(_split(path)[0])
    return name.suffix.lower() == ENDING or (len(name.parts) == 1 and _bundled(name).is_file() and not name.exists())


def read_style(path: str | Path, encoder_id: str | None = None) -> Style:
    """One style of a style file: as `read_styles`, and AdaINError where that gives more than one."""
    style = read_styles(path, encoder_id)
    if style.batch > 1:
        raise AdaINError(f"{path}: expected one style, found a bank of {style.batch}; choose one: {Path(path).name}:0")
    return style


def read_styles(path: str | Path, encoder_id: str | None = None) -> Style:
    """The style of a style file, or all of a bank's.

    Args:
        path: as of `find_style`; of a bank perhaps with the number of one of its styles behind it,
            ``bank.safetensors:2``, counted from 0.
        encoder_id: of the encoder that it must come from; None: any.

    Raises:
        AdaINError: as `find_style` and `load_style`, a number that the bank does not have, or another encoder's style.
    """
    name, number = _split(path)
    style = load_style(find_style(name))
    with about(name):
        try:
            style = style if encoder_id is None else style.seen_by(encoder_id, FEATURE_CHANNELS)
        except AdaINError:
            pairs = " or ".join(pairs_for_styles_of(style.encoder_id))
            found = "another encoder's; use the encoder and decoder that it was made with"
            if pairs:
                found = f"one for --pair {pairs}; use that"
            raise AdaINError(f"expected a style of the encoder in use, found {found}, or the painting itself") from None
        return style if number is None else row(style, number)


def find_style(path: str | Path) -> Path:
    """A style file: the one at that path, else the library's of that name, with its ending or without.

    Raises:
        AdaINError: there is neither.
    """
    path = Path(path)
    for found in (path, _bundled(path)):
        if is_style_file(found) and found.is_file() and (found is path or len(path.parts) == 1):
            return found
    raise AdaINError(
        f"{path}: expected a style file or the name of one of the library's styles, found neither; "
        "'style list' names those"
    )


def file_of(path: str | Path) -> Path:
    """The file that `read_styles` reads; AdaINError as `find_style`."""
    return find_style(_split(path)[0])


def _bundled(path: Path) -> Path:
    return LIBRARY / f"{path.name.removesuffix(ENDING)}{ENDING}"


def _split(path: str | Path) -> tuple[str, int | None]:
    """A style file, and the number behind it."""
    found = _NUMBERED.fullmatch(str(path))
    return (found[1], int(found[2])) if found else (str(path), None)
