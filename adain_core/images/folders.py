"""Folders of images: which files, and their pixels one after the other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from ..errors import AdaINError
from .files import load_picture


def list_images(folder: str | Path) -> list[Path]:
    """All files under a folder, at any depth, whose ending names an image format Pillow reads, sorted.

    Raises:
        AdaINError: no such folder, or none in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AdaINError(f"{folder}: expected a folder of images, found {'a file' if folder.exists() else 'nothing'}")
    endings = {ending for ending, format in Image.registered_extensions().items() if format in Image.OPEN}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in endings and path.is_file())
    if not paths:
        raise AdaINError(f"{folder}: expected a folder of images, found none in it")
    return paths


def listing_fingerprint(folder: str | Path) -> str:
    """Identifies a folder's images by names, sizes and times of change; another when any of them changes."""
    digest = hashlib.sha256()
    for path in list_images(folder):
        found = path.stat()
        digest.update(os.fsencode(path.relative_to(folder)))  # which need not be UTF-8
        digest.update(f"\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def names_fingerprint(paths: Sequence[Path]) -> str:
    """Identifies a list of images by their names in their order."""
    return hashlib.sha256(b"\0".join(os.fsencode(path.name) for path in paths)).hexdigest()[:16]


class Images:
    """A folder's images, read when asked for. Unreadable and tiny files are left out, and remembered.

    Args:
        paths: the files.
        min_side: images with a shorter side than this are tiny.
        name: what to call them in an error; None: the folder of the first.

    Attributes:
        skipped: why each file was left out that has been met so far.
    """

    def __init__(self, paths: Sequence[Path], min_side: int, name: str | None = None) -> None:
        self.paths = list(paths)
        self.min_side = min_side
        self.name = name or str(self.paths[0].parent)
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Tensor:
        """``[3, H, W]`` RGB 0..1 of a file or, when it is left out, of the next one after it that is not.

        Raises:
            AdaINError: not one of the files is usable.
        """
        for offset in range(len(self.paths)):
            pixels = self._read(self.paths[(index + offset) % len(self.paths)])
            if pixels is not None:
                return pixels
        first = next(iter(self.skipped.values()))
        raise AdaINError(
            f"{self.name}: expected usable images, found {len(self.paths)} that are not (the first: {first})"
        )

    def usable(self) -> Iterator[Tensor]:
        """Each image that is not left out, ``[3, H, W]``, in their order."""
        for path in self.paths:
            pixels = self._read(path)
            if pixels is not None:
                yield pixels

    def _read(self, path: Path) -> Tensor | None:
        if str(path) in self.skipped:
            return None
        try:
            pixels = load_picture(path).pixels[0]
        except AdaINError as error:
            self.skipped[str(path)] = str(error).removeprefix(f"{path}: ")
            return None
        if min(pixels.shape[1:]) >= self.min_side:
            return pixels
        size = f"{pixels.shape[2]}x{pixels.shape[1]}"
        self.skipped[str(path)] = f"expected sides of at least {self.min_side} pixels, found {size}"
        return None
