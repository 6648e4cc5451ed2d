"""PyAV, which is optional, and what its errors mean."""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..errors import AdaINError

if TYPE_CHECKING:
    from av.container import InputContainer

_NEEDED = 18  # the first that writes a video's rotation
# Formats that are lists of other files, which FFmpeg would open, or programs.
_LISTS = {"applehttp", "concat", "dash", "hls", "image2", "imf", "lavfi", "rtsp", "sdp", "vobsub", "webm_dash_manifest"}


def import_av() -> ModuleType:
    """PyAV.

    Raises:
        AdaINError: it is missing or too old.
    """
    try:
        import av
    except ImportError:
        raise AdaINError("video: PyAV is not installed; 'pip install av' installs it") from None
    if int(av.__version__.split(".")[0]) < _NEEDED:
        raise AdaINError(f"video: expected PyAV {_NEEDED} or newer, found {av.__version__}; 'pip install -U av'")
    return av


def open_source(path: Path) -> InputContainer:
    """A video file opened for reading: that file alone, of whatever other files or addresses it speaks.

    Raises:
        FFmpegError, ValueError: it is no video.
    """
    # "file:": a name may look like an address, such as one with a colon.
    container: InputContainer = import_av().open(f"file:{path}", options={"format_whitelist": _formats()})
    return container


@functools.cache
def _formats() -> str:
    """The formats that FFmpeg may take a file for."""
    return ",".join(name for name in sorted(import_av().formats_available) if not _LISTS & set(name.split(",")))


def raise_unless_damaged(error: Exception, path: Path) -> None:
    """Returns when an error of FFmpeg's means that the file is damaged or cut short: what cannot be read is left out.

    Args:
        error: of the class ``av.FFmpegError``.
        path: the file that was read.

    Raises:
        AdaINError: the error means anything else, such as a disk that fails.
    """
    av = import_av()
    if not isinstance(error, (av.InvalidDataError, av.EOFError)):
        reason = getattr(error, "strerror", None) or str(error)
        raise AdaINError(
            f"{path}: reading failed ({reason}); run the command again once the file can be read"
        ) from None
