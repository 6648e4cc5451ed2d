"""Files that are never half written, folders that are used for one thing only."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import AdaINError

_RANDOM_DIGITS = 8  # of a temporary file's name: .NAME.XXXXXXXX.ENDING
_LONGEST_NAME = 255  # bytes, on most file systems


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` to write to; renames it when the block ends well, else removes it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = f".{secrets.token_hex(_RANDOM_DIGITS // 2)}{path.suffix}"
    stem = os.fsencode(path.stem)[: _LONGEST_NAME - len(os.fsencode(ending)) - 1].decode("utf-8", "ignore")
    temporary = path.with_name(f".{stem}{ending}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Writes a value as JSON, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def remove_leftovers(folder: Path, names: Iterable[str], before: float | None = None) -> None:
    """Removes temporary files that `atomic_write` left in a folder when its process was killed.

    Args:
        folder: only itself, not the folders in it; it need not exist.
        names: of the files that were being written, such as ``decoder.safetensors`` or ``step-*.png``.
        before: only files changed before this time, as `time.time` has it: others may be in use. None: all.
    """
    random = "[0-9a-z_]" * _RANDOM_DIGITS  # more than hexadecimal digits: version 1.0.0 used those
    for name in map(Path, names):
        for path in folder.glob(f".{name.stem}.{random}{name.suffix}"):
            with suppress(FileNotFoundError):  # finished meanwhile
                if path.is_file() and (before is None or path.stat().st_mtime < before):
                    path.unlink()


def check_settings(path: Path, settings: Mapping[str, Any], advice: str) -> None:
    """Keeps in a file what a folder's contents are made with, or compares it with what the file says.

    Args:
        path: JSON; written when it is not there.
        settings: as JSON has them.
        advice: what to do when they differ, the end of the error's sentence.

    Raises:
        AdaINError: the file cannot be read, or was written with other settings, which are named.
    """
    if not path.exists():
        write_json(path, settings)
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise AdaINError(
            f"{path}: expected the settings of a run, found a file that cannot be read ({error})"
        ) from None
    changed = sorted(name for name in before.keys() | settings.keys() if before.get(name) != settings.get(name))
    if changed:
        raise AdaINError(
            f"{path}: expected the settings this folder was begun with, found other values of {', '.join(changed)}; "
            f"{advice}"
        )


def check_folder(path: Path) -> None:
    """Raises AdaINError unless files can be written to that folder, or it can be made."""
    there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise AdaINError(f"{path}: expected a folder to write to, found {there} to be a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise AdaINError(f"{path}: expected a folder to write to, found {there} without the right to do so")


def allocate(path: Path, size: int, what: str) -> None:
    """Makes a file of that many bytes, to be mapped into memory; its room on the disk is then taken.

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
