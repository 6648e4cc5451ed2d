"""A folder that one process at a time works in. A process that dies lets go of it."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from .errors import AdaINError

if sys.platform != "win32":
    import fcntl

_guard = threading.Lock()
# By folder: the open file that is locked, and how many of this process's locks share it.
_held: dict[str, tuple[int, int]] = {}


class FolderLock:
    """Keeps other processes out of a folder until `release`, or until nobody has the object any more.

    The same process may have several: what was left behind by work that was cancelled stands in nobody's way. Where a
    file system knows no locks, there are none.

    Args:
        folder: made when missing.

    Raises:
        AdaINError: another process has it.
        OSError: the folder cannot be made or opened.
    """

    def __init__(self, folder: Path) -> None:
        self._key = ""
        key = str(folder.absolute())
        with _guard:
            file, count = _held.get(key, (-1, 0))
            if not count:
                file = _locked(folder)
            _held[key] = file, count + 1
        self._key = key

    def release(self) -> None:
        """Lets other processes in. Does nothing the second time."""
        key, self._key = self._key, ""
        with _guard:
            if not key or key not in _held:
                return
            file, count = _held.pop(key)
            if count > 1:
                _held[key] = file, count - 1
            elif file >= 0:
                os.close(file)

    def __del__(self) -> None:
        if self._key and not sys.is_finalizing():
            self.release()


def _taken(folder: Path) -> AdaINError:
    return AdaINError(f"{folder}: another process is writing there; wait until it has ended, or choose another name")


if sys.platform == "win32":

    def _locked(folder: Path) -> int:
        """A file beside the folder that is gone when its process is; a drive has nothing beside it, so in it."""
        folder.mkdir(parents=True, exist_ok=True)
        there = folder.resolve()  # the name of . is none
        file = there.with_name(f"{there.name}.lock") if there.name else there / ".lock"
        try:
            return os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_TEMPORARY)
        except (FileExistsError, PermissionError):
            raise _taken(folder) from None

else:

    def _locked(folder: Path) -> int:
        """The folder itself, opened and locked; -1 where there are no locks."""
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            file = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), folder.stat()):
                    return file
            except FileNotFoundError:  # removed meanwhile by the process that had it
                pass
            except BlockingIOError:
                os.close(file)
                raise _taken(folder) from None
            except OSError:  # a file system that cannot
                os.close(file)
                return -1
            os.close(file)

    def _forget() -> None:
        """In a process forked off, such as one that reads images: it must not keep the lock when its parent dies."""
        for file, _ in _held.values():
            if file >= 0:
                os.close(file)
        _held.clear()

    os.register_at_fork(after_in_child=_forget)
