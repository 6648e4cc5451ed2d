"""Which folders of images a training may read."""

from __future__ import annotations

import os
from pathlib import Path

from ..adain_core.errors import AdaINError
from ..adain_core.images.folders import listing_fingerprint
from . import host
from .examples import example_images

EXAMPLES = "examples of this pack"  # saved workflows hold it: it never changes


def folders() -> list[str]:
    """The pack's own examples, and all folders below the input directory, whatever they hold."""
    root = host.input_folder()
    # Directories are told apart while listing: an input folder may hold many thousand files.
    found = sorted(Path(folder, name) for folder, names, _ in os.walk(root) for name in names)
    return [EXAMPLES, *(path.relative_to(root).as_posix() for path in found)]


def source(kind: str, name: str, path: str) -> Path | list[Path]:
    """Where the images of a kind are: a typed path first, else a folder of the input directory, or the examples.

    Raises:
        AdaINError: a path outside the input directory while ComfyUI can be reached from other machines. Whoever can
            queue a workflow could otherwise look at any image on this one.
    """
    root = host.input_folder().resolve()
    if path.strip():
        folder = Path(path.strip()).expanduser()
        if not host.only_this_machine() and not folder.resolve().is_relative_to(root):
            raise AdaINError(
                f"{kind}_path: expected a folder in {root}, since ComfyUI listens for other machines (--listen), "
                f"found {folder}"
            )
        return folder
    if name == EXAMPLES:
        return example_images(kind)
    folder = (root / name).resolve()
    if not folder.is_relative_to(root) and not host.only_this_machine():
        raise AdaINError(f"{kind}_folder: expected a folder in {root}, found {folder}")
    return folder


def changes(kind: str, name: str, path: str) -> str:
    """Something else whenever the images there change; of the examples, which never do, their name.

    Raises:
        AdaINError: as `source`, or no folder of images.
    """
    found = source(kind, name, path)
    return listing_fingerprint(found) if isinstance(found, Path) else EXAMPLES
