"""The command `batch` with the options that its tests share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adain_core.cli.main import main

OPTIONS = ["--style-size", "32", "--device", "cpu", "--format", "png", "--seed", "7"]


def batch(folders: Sequence[Path], out: Path, *more: object) -> int:
    """The exit status."""
    return main(["batch", *map(str, folders), "-o", str(out), *OPTIONS, *map(str, more)])


def ordered(folder: Path) -> list[str]:
    """The images of a folder in the order that styles are drawn from."""
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.png"))]
