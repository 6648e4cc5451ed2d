"""Folders of images: their list, its fingerprint, and reading them one after the other."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from ..errors import AdaINError
from .files import Picture, load_picture, scaled
from .formats import endings

log = logging.getLogger(__name__)

# Beside hidden ones: what macOS, Windows and Synology's file server leave among images.
_SYSTEM = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information", "@eaDir"})


def list_images(folder: str | Path) -> list[Path]:
    """All files under a folder, at any depth, whose ending names an image format that is read, sorted.

    Links are followed, but not into a folder that holds them. What is hidden, or made by systems beside the images, is
    none of them. A warning counts the files left out.

    Raises:
        AdaINError: there is no such folder, or no image in it.
    """
    paths, left_out = _found(Path(folder))
    if left_out:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))
        log.warning("%s: files that are not looked at: %s", folder, counts)
    return paths


def _found(folder: Path) -> tuple[list[Path], Counter[str]]:
    """`list_images` without the warning, and how many files were left out by kind."""
    if not folder.is_dir():
        raise AdaINError(f"{folder}: expected a folder of images, found {'a file' if folder.exists() else 'nothing'}")
    left_out: Counter[str] = Counter()
    paths = sorted(_images_in(folder, (), left_out))
    if not paths:
        raise AdaINError(f"{folder}: expected a folder of images, found none in it")
    return paths, left_out


def _images_in(folder: Path, above: tuple[tuple[int, int], ...], left_out: Counter[str]) -> Iterator[Path]:
    """The images under a folder; above: the folders that hold it, by device and inode."""
    found = folder.stat()
    here = (*above, (found.st_dev, found.st_ino))
    if here[-1] in above:  # a link into a folder that holds it
        return
    try:
        entries = list(os.scandir(folder))
    except OSError:
        left_out["folders without the right to look into them"] += 1
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or entry.name in _SYSTEM:
            left_out["hidden or a system's"] += 1
            continue
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError:  # a link to itself, or to where one may not look
            is_folder = is_file = False
        if is_folder:
            yield from _images_in(path, here, left_out)
        elif path.suffix.lower() not in endings():
            left_out[path.suffix.lower() or "without ending"] += 1
        elif is_file:
            yield path
        else:
            left_out["broken links"] += 1


def listing_fingerprint(folder: str | Path) -> str:
    """Identifies a folder's images by names, sizes and times of change: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in _found(Path(folder))[0]:
        found = path.stat()
        digest.update(os.fsencode(path.relative_to(folder)))  # a name need not be UTF-8
        digest.update(f"\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def names_fingerprint(paths: Sequence[Path]) -> str:
    """Identifies a list of images by their names and order: 16 hexadecimal digits."""
    return hashlib.sha256(b"\0".join(os.fsencode(path.name) for path in paths)).hexdigest()[:16]


def readable_pictures(paths: Sequence[Path], side: int, name: str, skipped: dict[str, str]) -> Iterator[Picture]:
    """The pictures of a list that can be read, scaled to that short side, see `files.scaled`.

    Args:
        paths: the files, at least one.
        side: pixels; 0: as they are.
        name: of the list, for errors.
        skipped: gets the files that cannot be read, each with the reason.

    Raises:
        AdaINError: after the last one, if none can be read.
    """
    usable = 0
    for path in paths:
        try:
            picture = scaled(load_picture(path), side)
        except AdaINError as error:
            skipped[str(path)] = str(error).removeprefix(f"{path}: ")
            continue
        usable += 1
        yield picture
    if not usable:
        _refuse(name, len(paths), skipped[str(paths[0])])


def _refuse(name: str, count: int, first: str) -> NoReturn:
    raise AdaINError(f"{name}: expected usable images, found {count} that are not (the first: {first})")


class Images:
    """A list of images, read when asked for. Unreadable and small ones are skipped.

    Args:
        paths: the files, at least one.
        min_side: images with a shorter side of fewer pixels are skipped.
        name: of the list, for errors; None: the folder of the first file.

    Attributes:
        skipped: the files skipped so far, each with the reason.
    """

    def __init__(self, paths: Sequence[Path], min_side: int, name: str | None = None) -> None:
        self.paths = list(paths)
        self.min_side = min_side
        self.name = name or str(self.paths[0].parent)
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Tensor:
        """``[3, H, W]`` RGB 0..1 of a file or, when it is skipped, of the next one that is not.

        Raises:
            AdaINError: no file is usable.
        """
        for offset in range(len(self.paths)):
            pixels = self._read(self.paths[(index + offset) % len(self.paths)])
            if pixels is not None:
                return pixels
        _refuse(self.name, len(self.paths), next(iter(self.skipped.values())))

    def usable(self) -> Iterator[Tensor]:
        """Each image that is not skipped, ``[3, H, W]`` RGB 0..1, in the order of the list."""
        for path in self.paths:
            pixels = self._read(path)
            if pixels is not None:
                yield pixels

    def _read(self, path: Path) -> Tensor | None:
        if str(path) in self.skipped:
            return None
        try:
            pixels = load_picture(path).filled[0]
        except AdaINError as error:
            self.skipped[str(path)] = str(error).removeprefix(f"{path}: ")
            return None
        if min(pixels.shape[1:]) >= self.min_side:
            return pixels
        size = f"{pixels.shape[2]}x{pixels.shape[1]}"
        self.skipped[str(path)] = f"expected sides of at least {self.min_side} pixels, found {size}"
        return None
