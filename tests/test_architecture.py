"""ARCHITECTURE.md names every file of the core and of the nodes, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from .conftest import ROOT


def drawn() -> set[str]:
    """Python files in the tree, whose folders indent what is in them."""
    tree = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("```")[1]
    found: set[str] = set()
    folders: list[tuple[int, str]] = []
    for line in tree.strip().splitlines():
        indent = len(line) - len(line.lstrip())
        while folders and folders[-1][0] >= indent:
            folders.pop()
        if folder := re.match(r"\s*(\w+)/ ", line + " "):
            folders.append((indent, folder[1]))
            continue
        base = Path(*(name for _, name in folders))
        found |= {str(base / name) for name in re.findall(r"\b\w+\.py\b", line)}
    return found


def test_the_tree_is_that_of_the_files():
    rooms = {path for folder in ("adain_core", "nodes") for path in (ROOT / folder).rglob("*.py")}
    markers = {path for path in rooms if path.name == "__init__.py" and path.parent != ROOT / "adain_core"}
    assert drawn() == {"__init__.py"} | {str(path.relative_to(ROOT)) for path in rooms - markers}
