"""Whether a graph reads well: its width, nodes that overlap, wires that run backwards or behind nodes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from math import hypot

TITLE = 30  # pixels of the graph, above a node's position
WIDTH = 1460  # about what fits on a screen of 1440 pixels with ComfyUI's bars, text still readable
HEIGHT = 860
_SLOT = 20
_DOT = 10  # of a slot, from the node's edge

Box = tuple[float, float, float, float]  # left, top, right, bottom; with the title
Point = tuple[float, float]
Wire = tuple[int, Point, int, Point]  # from a node's output to a node's input


def of_file(workflow: Mapping) -> tuple[dict[int, Box], list[Wire]]:
    """Boxes and wires of a workflow file, as LiteGraph draws them."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    boxes = {}
    for number, node in nodes.items():
        (x, y), (width, height) = node["pos"], node["size"]
        boxes[number] = (x, y - TITLE, x + width, y + height)
    wires = []
    for _, source, output, target, slot, _ in workflow["links"]:
        start = boxes[source][2] - _DOT, nodes[source]["pos"][1] + (output + 0.7) * _SLOT
        end = boxes[target][0] + _DOT, nodes[target]["pos"][1] + (slot + 0.7) * _SLOT
        wires.append((source, start, target, end))
    return boxes, wires


def faults(boxes: Mapping[int, Box], wires: Sequence[Wire]) -> list[str]:
    """What does not read well, in words; empty where all is well."""
    left, top, right, bottom = (f(box[k] for box in boxes.values()) for k, f in enumerate((min, min, max, max)))
    found = []
    width, height = round(right - left), round(bottom - top)
    if width > WIDTH or height > HEIGHT:
        found.append(f"{width} x {height} pixels, more than {WIDTH} x {HEIGHT}")
    for (a, one), (b, other) in itertools.combinations(boxes.items(), 2):
        if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]:
            found.append(f"nodes {a} and {b} overlap")
    for source, start, target, end in wires:
        if start[0] >= end[0]:
            found.append(f"the wire from {source} to {target} runs backwards")
        behind = {
            number
            for number, (x0, y0, x1, y1) in boxes.items()
            if number not in (source, target) and any(x0 < x < x1 and y0 < y < y1 for x, y in _curve(start, end))
        }
        found += [f"the wire from {source} to {target} runs behind {number}" for number in sorted(behind)]
    return found


def _curve(start: Point, end: Point, points: int = 200) -> list[Point]:
    """Points of the Bezier curve that the front ends draw: its handles are a quarter of the distance, to the right."""
    handle = hypot(end[0] - start[0], end[1] - start[1]) / 4
    curve = []
    for k in range(points + 1):
        t = k / points
        a, b, c, d = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
        x = a * start[0] + b * (start[0] + handle) + c * (end[0] - handle) + d * end[0]
        curve.append((x, (a + b) * start[1] + (c + d) * end[1]))
    return curve
