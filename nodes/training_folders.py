"""The folders of images that a training may read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..adain_core.errors import AdaINError
from ..adain_core.images.folders import listing_fingerprint
from . import host
from .examples import example_images

EXAMPLES = "examples of this pack"  # saved workflows hold it: it never changes
_NAMED = 3  # of the images left out


def folders() -> list[str]:
    """The choices of the node: the pack's examples, and all folders below the input directory."""
    root = host.input_folder()
    # os.walk tells folders from files without asking for each: the input directory may hold many thousand files.
    found = sorted(Path(folder, name) for folder, names, _ in os.walk(root) for name in names)
    return [EXAMPLES, *(path.relative_to(root).as_posix() for path in found)]


def source(kind: str, name: str, path: str) -> Path | list[Path]:
    """The folder or files to train on.

    Args:
        kind: ``content`` or ``style``.
        name: a folder in the input directory, or `EXAMPLES`.
        path: a folder anywhere, in place of ``name``; empty: none.

    Raises:
        AdaINError: a path outside the input directory while ComfyUI can be reached from other machines. Otherwise
            anyone who can queue a workflow could see any image on this machine.
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
    """A cache key: it changes when the images do. The examples never change; theirs is their name.

    Raises:
        AdaINError: as `source`, or no folder of images.
    """
    found = source(kind, name, path)
    return listing_fingerprint(found) if isinstance(found, Path) else EXAMPLES


def left_out(skipped: Iterable[str]) -> list[str]:
    """What the node says of files that cannot be used; nothing where there are none."""
    names = [Path(path).name for path in skipped]
    if not names:
        return []
    return [f"images left out: {len(names)} ({', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''})"]
