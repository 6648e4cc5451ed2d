"""The pack's own example images and styles."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "examples"
STYLES = FOLDER / "styles"
CONTENT, STYLE = "content", "style"  # kinds of images, and how their names begin


def example_images(kind: str) -> list[Path]:
    """The images of a kind, sorted."""
    return sorted(FOLDER.glob(f"{kind}_*.jpg"))
