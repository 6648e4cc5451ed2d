"""Folders of images: their list, its fingerprint, and reading them one after the other."""

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
        AdaINError: there is no such folder, or no image in it.
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
    """Identifies a folder's images by names, sizes and times of change: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in list_images(folder):
        found = path.stat()
        digest.update(os.fsencode(path.relative_to(folder)))  # a name need not be UTF-8
        digest.update(f"\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def names_fingerprint(paths: Sequence[Path]) -> str:
    """Identifies a list of images by their names and order: 16 hexadecimal digits."""
    return hashlib.sha256(b"\0".join(os.fsencode(path.name) for path in paths)).hexdigest()[:16]


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
        first = next(iter(self.skipped.values()))
        raise AdaINError(
            f"{self.name}: expected usable images, found {len(self.paths)} that are not (the first: {first})"
        )

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
            pixels = load_picture(path).pixels[0]
        except AdaINError as error:
            self.skipped[str(path)] = str(error).removeprefix(f"{path}: ")
            return None
        if min(pixels.shape[1:]) >= self.min_side:
            return pixels
        size = f"{pixels.shape[2]}x{pixels.shape[1]}"
        self.skipped[str(path)] = f"expected sides of at least {self.min_side} pixels, found {size}"
        return None
