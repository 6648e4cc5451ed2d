"""What only newer ComfyUIs have: the app template and the subgraph blueprint, in their browser."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image

from adain_core import Stylizer
from adain_core.images.files import load_picture

from .browser import open_page
from .expected import EXAMPLES
from .server import PACK_FOLDER, ROOT
from .workflows import is_widget

pytestmark = pytest.mark.since("0.33")

PICTURES = ["content_chelsea", "style_starry_night"]
BLUEPRINT = ROOT / "subgraphs" / "Stylize with AdaIN.json"


@pytest.fixture(scope="module")
def page(browser, comfyui, canvas):
    for name in PICTURES:  # as PNG: ComfyUI decodes JPEGs a little differently
        with Image.open(EXAMPLES / f"{name}.jpg") as image:
            image.save(comfyui.base / "input" / f"{name}.png")
    with open_page(browser, comfyui, canvas=canvas) as page:
        page.evaluate("app.api.addEventListener('execution_success', ({ detail }) => window.ended = detail.prompt_id)")
        yield page


def run(page, comfyui) -> torch.Tensor:
    """Waits for the end of the run that has been started; its picture, ``[B, 3, H, W]`` 0..1."""
    page.wait_for_function("window.ended")
    (entry,) = comfyui.get(f"/history/{page.evaluate('ended')}").values()
    page.evaluate("delete window.ended")
    (picture,) = comfyui.images(entry).values()
    return picture.movedim(3, 1)


def expected() -> torch.Tensor:
    photo, style = (load_picture(EXAMPLES / f"{name}.jpg").pixels for name in PICTURES)
    return Stylizer.load(device="cpu").stylize(photo, style)


def test_the_app(page, comfyui):
    """Opens as an app from the template browser, its inputs labelled, and runs."""
    page.evaluate("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text(PACK_FOLDER).first.click()
    page.get_by_test_id("template-workflow-06 Stylize your photo.app").click()
    for label in ("Photo", "Style picture", "Strength of the style", "Keep the photo's colours"):
        page.get_by_text(label, exact=True).filter(visible=True).first.wait_for()
    page.evaluate(
        """names => app.graph._nodes.filter(node => node.type === "LoadImage")
             .forEach((node, k) => { node.widgets[0].value = `${names[k]}.png` })""",
        PICTURES,
    )
    page.evaluate("app.queuePrompt(0)")
    torch.testing.assert_close(run(page, comfyui), expected(), atol=2.1 / 255, rtol=0)


def test_the_blueprint(page, comfyui):
    """Found by the search for nodes; stylizes between two pictures and a preview."""
    page.evaluate("app.loadGraphData({ nodes: [], links: [], version: 0.4 })")
    page.evaluate("app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    page.keyboard.type(BLUEPRINT.stem)
    page.get_by_text("Gives a photo the style of any picture").first.wait_for()
    page.keyboard.press("Enter")
    page.mouse.click(800, 600)
    page.wait_for_function("app.graph._nodes.length === 1")
    page.evaluate(
        """names => {
        const [node] = app.graph._nodes;
        const add = type => { const added = LiteGraph.createNode(type); app.graph.add(added); return added };
        names.forEach((name, k) => {
          const image = add("AdaINExampleImage");
          image.widgets[0].value = `${name}.jpg`;
          image.connect(0, node, k);
        });
        node.connect(0, add("PreviewImage"), 0);
        }""",
        PICTURES,
    )
    page.evaluate("app.queuePrompt(0)")
    torch.testing.assert_close(run(page, comfyui), expected(), atol=2.1 / 255, rtol=0)


def test_the_blueprint_fits_the_nodes(comfyui):
    """Its server lists it, and what is in it is as the nodes are defined today."""
    listed = comfyui.get("/global_subgraphs").values()
    assert [one["name"] for one in listed if PACK_FOLDER in one["info"]["node_pack"]] == [BLUEPRINT.stem]
    definitions = comfyui.get("/object_info")
    (graph,) = json.loads(BLUEPRINT.read_text())["definitions"]["subgraphs"]
    for node in graph["nodes"]:
        defined = definitions[node["type"]]["input"]
        known = {**defined.get("required", {}), **defined.get("optional", {})}
        assert {slot["name"] for slot in node["inputs"]} == set(known)
        assert len(node["widgets_values"]) == sum(is_widget(spec) for spec in known.values())
