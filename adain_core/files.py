"""Files that are never half written, folders that are used for one thing only."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import AdaINError

_RANDOM_DIGITS = 8  # of a temporary file's name: .NAME.XXXXXXXX.ENDING
_LONGEST_NAME = 255  # bytes, on most file systems
_BLOCK = 1 << 20  # bytes
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_REFUSALS = (*_FULL, errno.EACCES, errno.EPERM)
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)  # file systems that do not know how


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` to write to; renames it when the block ends well, else removes it.

    Raises:
        AdaINError: the system refuses to write it, such as when the disk is full. What was there before is unchanged.
    """
    path = Path(path)
    try:
        with _whole(path) as temporary:
            yield temporary
    except Exception as error:
        if isinstance(error, AdaINError) or (why := _refusal(error)) is None:
            raise
        raise AdaINError(f"{path}: this file cannot be written ({why}); what was there before is unchanged") from error


def _refusal(error: Exception) -> str | None:
    """Why the system refuses to write, if that is what an error of whatever library means."""
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        return os.strerror(error.errno)
    # What libraries make of it that are not in Python: safetensors, libvips.
    return next((text for text in map(os.strerror, _FULL) if text in str(error)), None)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = f".{secrets.token_hex(_RANDOM_DIGITS // 2)}{path.suffix}"
    room = _longest_name(path.parent) - len(os.fsencode(ending)) - 1
    stem = os.fsencode(path.stem)[:room].decode(sys.getfilesystemencoding(), "ignore")
    temporary = path.with_name(f".{stem}{ending}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = stat.S_IMODE(temporary.stat().st_mode)
    try:
        yield temporary
        if stat.S_IMODE(temporary.stat().st_mode) != mode:
            # safetensors puts a file of its own in its place, which only its owner may read.
            with suppress(PermissionError):  # file systems without rights
                temporary.chmod(mode)
        with temporary.open("rb+") as file:
            _sync(file.fileno())
        _replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _replace(temporary: Path, path: Path) -> None:
    """Renames; where a scanner of viruses or a reader has the file open, as Windows lets them, after a while."""
    for pause in _PAUSES:
        try:
            temporary.replace(path)
            return
        except PermissionError:
            if os.name != "nt":
                raise
            time.sleep(pause)
    temporary.replace(path)


def _sync(file: int) -> None:
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _longest_name(folder: Path) -> int:
    """Bytes that a file's name in a folder may have."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows, or a file system that does not say
        return _LONGEST_NAME


def write_json(path: Path, value: object) -> None:
    """Writes a value as JSON, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_BLOCK):
            digest.update(part)
    return digest.hexdigest()


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
    there = _nearest(path)
    if not there.is_dir():
        raise AdaINError(f"{path}: expected a folder to write to, found {there} to be a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise AdaINError(f"{path}: expected a folder to write to, found {there} without the right to do so")
    disk = shutil.disk_usage(there)
    if disk.total and not disk.free:
        raise AdaINError(f"{path}: expected a folder to write to, found its disk to be full")


def check_output(path: Path) -> None:
    """Raises AdaINError unless a file of that name can be written, as far as that can be known before."""
    check_folder(path.parent)
    length, longest = len(os.fsencode(path.name)), _longest_name(_nearest(path.parent))
    if length > longest:
        raise AdaINError(f"{path}: expected a name of at most {longest} bytes, found one of {length}")
    if path.is_dir():
        raise AdaINError(f"{path}: expected a file to write, found a folder")


def check_not_read(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Raises AdaINError if a file to write is one of those it is made of, which would be lost."""
    output = Path(output)
    for path in map(Path, inputs):
        if output.exists() and path.exists() and output.samefile(path):
            raise AdaINError(f"{output}: expected another file than those it is made of, found one of them")


def _nearest(path: Path) -> Path:
    """The path itself or, if there is nothing, what is nearest above it."""
    try:
        return next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    except OSError as error:  # a folder's name too long, or one above without the right to look into it
        raise AdaINError(f"{path}: expected a folder to write to, found {error.strerror}") from None


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
