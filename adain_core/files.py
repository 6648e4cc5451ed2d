"""Writing files so that a crash or a full disk never leaves half of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import AdaINError

# It can only be read by setting it, for all threads: once, before there are others that make files meanwhile.
_UMASK = os.umask(0)
os.umask(_UMASK)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` to write to; renames it when the block ends well, else removes it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes files private; a result should have the rights any new file gets.
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_folder(path: Path) -> None:
    """Raises AdaINError unless files can be written to that folder, or it can be made."""
    there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise AdaINError(f"{path}: expected a folder to write to, found {there} to be a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise AdaINError(f"{path}: expected a folder to write to, found {there} without the right to do so")


def allocate(path: Path, size: int, what: str) -> None:
    """Makes a file of that many bytes, whose room on the disk is then taken, to be mapped into memory.

    Raises:
        AdaINError: less room than that, naming what it is for.
    """
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise AdaINError(
            f"{path.parent}: expected {size / 2**30:.1f} GiB of free disk space for {what}, found {free / 2**30:.1f}"
        )
    with path.open("wb") as file:
        file.truncate(size)
        # Without this a disk that fills up meanwhile would kill the process at a write to the mapping.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
