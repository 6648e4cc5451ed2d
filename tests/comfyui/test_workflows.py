"""The example workflows in a real ComfyUI give what the core gives."""

from __future__ import annotations

import json
from functools import cache

import pytest
import torch
from PIL import Image

from adain_core import Stylizer

from .expected import EXAMPLES, EXPECTED
from .server import PACK_FOLDER
from .workflows import films, is_widget, to_api, trains

ONE_LEVEL = 1 / 255


@pytest.fixture(scope="module")
def definitions(comfyui):
    return comfyui.get("/object_info")


@pytest.fixture(scope="module")
def expected():
    """The images of a workflow, computed once for all ComfyUIs."""
    stylizer = Stylizer.load(device="cpu")
    return cache(lambda stem: EXPECTED[stem](stylizer))


def read(stem: str) -> dict:
    return json.loads((EXAMPLES / f"{stem}.json").read_text())


@pytest.mark.parametrize("stem", EXPECTED)
def test_workflow_equals_core(comfyui, definitions, expected, stem):
    images = comfyui.run(to_api(read(stem), definitions), seconds=600)
    wanted = expected(stem)
    assert len(images) == len(wanted)
    for node, image in zip(sorted(images, key=int), wanted, strict=True):
        expected_levels = (image.movedim(1, 3) * 255).floor() / 255  # as PreviewImage rounds
        torch.testing.assert_close(images[node], expected_levels, atol=ONE_LEVEL + 1e-6, rtol=0)


def test_every_workflow_is_tested_and_every_node_shown(pack):
    stems = {path.stem for path in EXAMPLES.glob("*.json") if not (trains(path) or films(path))}
    assert stems == set(EXPECTED)
    shown = {node["type"] for path in EXAMPLES.glob("*.json") for node in json.loads(path.read_text())["nodes"]}
    assert set(pack.NODE_CLASS_MAPPINGS) <= shown


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_workflow_file_fits_the_nodes(definitions, path):
    """Loads without a warning: known nodes, inputs as defined, links that agree at both ends."""
    workflow = json.loads(path.read_text())
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for link, source, slot, target, socket, kind in workflow["links"]:
        assert link in nodes[source]["outputs"][slot]["links"]
        assert nodes[target]["inputs"][socket]["link"] == link
        assert kind == nodes[source]["outputs"][slot]["type"]
        assert kind in nodes[target]["inputs"][socket]["type"].split(",")
    for node in nodes.values():
        if node["type"] == "Note":
            continue
        defined = definitions[node["type"]]["input"]
        known = {**defined.get("required", {}), **defined.get("optional", {})}
        assert {slot["name"] for slot in node["inputs"]} == set(known)
        assert {slot["name"] for slot in node["inputs"] if "widget" in slot} == {
            name for name, spec in known.items() if is_widget(spec)
        }


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_workflow_has_a_thumbnail(path):
    with Image.open(path.with_suffix(".jpg")) as image:
        assert max(image.size) <= 1024


def test_templates_are_offered(comfyui):
    offered = comfyui.get("/workflow_templates")[PACK_FOLDER]
    assert set(offered) == {path.stem for path in EXAMPLES.glob("*.json")}


def test_loads_without_a_warning_of_its_own(comfyui):
    lines = comfyui.startup.splitlines()
    assert any(PACK_FOLDER in line for line in lines)
    assert not [line for line in lines if PACK_FOLDER in line and "seconds" not in line]
