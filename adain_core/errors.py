"""The one exception that means: the caller gave something that cannot work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class AdaINError(ValueError):
    """A mistake in the input. Its message is one sentence for the user: what was expected, what was found.

    Names and texts of files that are quoted in it may hold anything: what is not printable, such as line ends and
    commands for a terminal, is escaped.
    """

    def __init__(self, message: str) -> None:
        shown = (c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in message)
        super().__init__("".join(shown))


_LONGEST = 300  # characters of another library's error; some tell every place they looked at


def reason(error: BaseException) -> str:
    """What another library's error says, in one line that is not too long; its type where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


@contextmanager
def about(path: str | Path) -> Iterator[None]:
    """Has the block's AdaINErrors begin with the file that they are about."""
    try:
        yield
    except AdaINError as error:
        raise type(error)(f"{path}: {error}") from None


def check_batch(name: str, found: int, expected: int, like: str = "the content") -> None:
    """Raises AdaINError unless a batch is 1 (broadcast) or the expected size."""
    if found not in (1, expected):
        if expected == 1:
            raise AdaINError(f"{name}: expected a batch of 1 like {like}, found {found}")
        raise AdaINError(f"{name}: expected a batch of 1 or of {expected} like {like}, found {found}")


def check_known(name: str, found: str, known: tuple[str, ...]) -> None:
    """Raises AdaINError unless the name is among the known ones."""
    if found not in known:
        raise AdaINError(f"{name}: expected one of {', '.join(known)}, found {found!r}")


def check_finite(name: str, values: Tensor) -> None:
    """Raises AdaINError if a tensor holds NaN or infinity, which would spread over the whole image.

    On a GPU this waits for the device.
    """
    # Smallest and largest are NaN where one is, and need no memory beside the values, unlike isfinite.
    if values.numel() and not all(bool(extreme.isfinite()) for extreme in (values.amin(), values.amax())):
        raise AdaINError(f"{name}: expected finite values, found NaN or infinity; look at what made it")
