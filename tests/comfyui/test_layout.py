"""The example workflows on a screen of 1440x900: all to be seen, nothing over or behind anything else."""

from __future__ import annotations

import json

import pytest

from tests.example_layout import TITLE, faults, of_file

from .browser import open_page
from .expected import EXAMPLES

READABLE = 0.6  # of the full size; below, LiteGraph's canvas shows boxes without text
# Nodes as they are drawn, with their titles: by LiteGraph, or as elements of the page.
BOXES = """
() => app.graph._nodes.map(node => {
  const [x, y, width, height] = node.getBounding();
  const element = document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect();
  const [right, bottom] = element ? [element.width, element.height].map(side => side / app.canvas.ds.scale) : [0, 0];
  return [node.id, x, y, x + Math.max(width, right), y + Math.max(height, bottom)];
})
"""
WIRES = """
() => [...app.graph.links.values()].map(({ origin_id, origin_slot, target_id, target_slot }) => [
  origin_id, [...app.graph.getNodeById(origin_id).getConnectionPos(false, origin_slot)],
  target_id, [...app.graph.getNodeById(target_id).getConnectionPos(true, target_slot)],
])
"""


@pytest.fixture(scope="module")
def page(browser, comfyui, canvas):
    with open_page(browser, comfyui, 1440, 900, canvas) as page:
        yield page


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_reads_well_as_it_opens(page, canvas, path):
    workflow = json.loads(path.read_text())
    workflow["extra"] = {}  # an app, too, as a graph
    page.evaluate("workflow => app.loadGraphData(workflow, true, true, null, { openSource: 'template' })", workflow)
    page.wait_for_timeout(1000)  # the sizes of Nodes 2.0 are known when the page has been laid out
    assert page.evaluate("app.canvas.ds.scale") > READABLE
    if canvas == "nodes2":
        assert page.locator("[data-node-id]").count() == len(workflow["nodes"])
    boxes = {int(number): tuple(box) for number, *box in page.evaluate(BOXES)}
    wires = [(int(a), tuple(start), int(b), tuple(end)) for a, start, b, end in page.evaluate(WIRES)]
    assert len(wires) == len(workflow["links"])
    assert faults(boxes, wires) == []
    for number, (left, top, right, bottom) in of_file(workflow)[0].items():
        # Save Video is smaller until it shows one.
        too_large = [found - given for found, given in zip(boxes[number][2:], (right, bottom), strict=True)]
        assert max(too_large) <= 2, (
            f"node {number} needs more than its file's {right - left:g} x {bottom - top - TITLE:g}: {boxes[number]}"
        )
