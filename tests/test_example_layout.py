"""The example workflows' layout, by their files; and that what finds faults finds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .example_layout import TITLE, WIDTH, faults, of_file

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_reads_well(path):
    assert faults(*of_file(json.loads(path.read_text()))) == []


def _graph(*positions: tuple[float, float]) -> dict:
    """Nodes of 200 x 100 pixels, the first one's output wired to the last one's input."""
    nodes = [{"id": k, "pos": place, "size": [200, 100]} for k, place in enumerate(positions)]
    return {"nodes": nodes, "links": [[1, 0, 0, len(nodes) - 1, 0, "IMAGE"]]}


@pytest.mark.parametrize(
    ("positions", "fault"),
    [
        ([(0, 0), (250, 0)], None),
        ([(0, 0), (WIDTH - 199, 0)], f"{WIDTH + 1} x {100 + TITLE} pixels, more than"),
        ([(0, 0), (190, 129)], "nodes 0 and 1 overlap"),
        ([(0, 0), (210, 131), (500, 0)], None),
        ([(0, 0), (250, 0), (500, 0)], "the wire from 0 to 2 runs behind 1"),
        ([(0, 0), (210, 40), (250, 400)], "the wire from 0 to 2 runs behind 1"),
        ([(250, 0), (0, 200)], "the wire from 0 to 1 runs backwards"),
    ],
)
def test_finds_what_does_not_read_well(positions, fault):
    found = faults(*of_file(_graph(*positions)))
    assert (found == []) if fault is None else any(text.startswith(fault) for text in found), found
