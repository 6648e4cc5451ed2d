"""PyAV, which is optional, and what its errors mean."""

from __future__ import annotations

from pathlib import Path

from ..errors import AdaINError

_NEEDED = 18  # the first that writes a video's rotation


def import_av():
    """PyAV; AdaINError when it is missing or too old."""
    try:
        import av
    except ImportError:
        raise AdaINError("video: expected PyAV to be installed, found none; 'pip install av' installs it") from None
    if int(av.__version__.split(".")[0]) < _NEEDED:
        raise AdaINError(f"video: expected PyAV {_NEEDED} or newer, found {av.__version__}")
    return av


def raise_unless_damaged(error: Exception, path: Path) -> None:
    """Raises AdaINError unless FFmpeg's error means that the file is broken there, or cut short.

    That costs what cannot be read, which is left out; anything else, such as a disk that fails, must not pass for it.
    """
    av = import_av()
    if not isinstance(error, (av.InvalidDataError, av.EOFError)):
        reason = getattr(error, "strerror", None) or str(error)
        raise AdaINError(f"{path}: expected a file that can be read to its end, found an error ({reason})") from None
