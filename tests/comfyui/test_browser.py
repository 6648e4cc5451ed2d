"""The front end in a real browser: templates, running, help, training, the example workflows."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adain_core.training.run.state import load_state, saved_states
from tests.adain_core.pictures import write_pictures

from .browser import NODE, load
from .expected import EXAMPLES
from .server import PACK_FOLDER

# What ComfyUI says over the graph: dialogs (missing nodes, errors) and notes in the corner.
MESSAGES = '[role="dialog"], .p-toast-message, [data-testid="error-overlay"]'
RUN, CANCEL = '[data-testid="queue-button"]', 'button[aria-label="Cancel current run"]'

MARGIN = 16  # pixels

# The element of a node in Nodes 2.0; null on LiteGraph's canvas.
ELEMENT = "document.querySelector(`[data-node-id='${{{0}.id}}']`)"


def screenshot(page, kind: str) -> np.ndarray:
    """Pixels of a node as seen on the screen, at full size."""
    node = NODE.format(kind)
    page.evaluate(
        f"{{ const [x, y] = {node}.getBounding(); app.canvas.ds.scale = 1;"
        " app.canvas.ds.offset = [200 - x, 200 - y]; app.canvas.setDirty(true, true) }"
    )
    page.wait_for_timeout(500)
    x, y, width, height = page.evaluate(
        f"(box => box ? [box.x, box.y, box.width, box.height] : [200, 200, ...[...{node}.getBounding()].slice(2)])"
        f"({ELEMENT.format(node)}?.getBoundingClientRect())"
    )
    picture = page.screenshot(clip={"x": x, "y": y, "width": width, "height": height})
    return np.array(Image.open(io.BytesIO(picture)).convert("RGB"))


def wait_for_picture(page, kind: str, width: int = 1) -> None:
    """Until a node shows a picture at least that wide."""
    node = NODE.format(kind)
    page.wait_for_function(
        f"[...({node}.imgs ?? []), ...({ELEMENT.format(node)}?.querySelectorAll('img') ?? [])]"
        f".some(image => image.complete && image.naturalWidth >= {width})"
    )


def test_stylize_from_the_template_browser(page, canvas):
    page.evaluate("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_role("dialog").get_by_text(PACK_FOLDER).first.click()
    page.get_by_test_id("template-workflow-02 Stylize step by step").click()
    page.wait_for_function(f"{NODE.format('AdaINDecode')} && !document.querySelector('{MESSAGES}')")
    alpha = 0.9 if canvas == "nodes2" else 1.0  # what ran on the other canvas is cached
    page.evaluate(f"{NODE.format('AdaINApply')}.widgets[0].value = {alpha}")
    page.evaluate(
        """() => {
        window.seen = { titles: [], progress: [] };
        const title = () => seen.titles.push(document.title);
        new MutationObserver(title).observe(document.head, { subtree: true, childList: true, characterData: true });
        app.api.addEventListener("progress", ({ detail }) => seen.progress.push(detail));
        }"""
    )
    page.locator(RUN).first.click()
    wait_for_picture(page, "PreviewImage")
    seen = page.evaluate("seen")
    assert any("%" in title and "AdaINDecode" in title for title in seen["titles"])
    decode = str(page.evaluate(f"{NODE.format('AdaINDecode')}.id"))
    assert any(step["node"] == decode and step["value"] == step["max"] for step in seen["progress"])
    assert screenshot(page, "PreviewImage").std() > 30, "a picture, not an empty node"
    assert page.locator(MESSAGES).all_inner_texts() == []


def test_load_style_shows_its_thumbnail(page):
    load(page, "12 Save and load a style")
    page.evaluate("app.api.addEventListener('execution_success', () => { window.ended = true })")
    page.locator(RUN).first.click()
    page.wait_for_function("window.ended")
    wait_for_picture(page, "AdaINLoadStyle", width=91)
    assert screenshot(page, "AdaINLoadStyle")[-80:].std() > 15, "still seen when the run has ended"


def test_help_panel(page):
    load(page, "41 Train a decoder")
    page.evaluate(f"app.canvas.selectNode({NODE.format('AdaINTrainDecoder')})")
    # An event and not a click of the mouse: the button follows the node, which moves until the canvas has come to rest.
    page.get_by_test_id("info-button").dispatch_event("click")
    help_page = Path(__file__).parents[2] / "web/docs/AdaINTrainDecoder.md"
    heading = next(line for line in help_page.read_text().splitlines() if line.startswith("#")).strip("# ")
    page.locator(".node-help-content").get_by_text(heading, exact=True).first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_test_id("info-button").dispatch_event("click")


def test_training_shows_previews_and_cancel_keeps_a_checkpoint(page, comfyui):
    for k, name in enumerate(("browser photos", "browser styles")):
        write_pictures(comfyui.base / "input" / name, 5, seed=k, size=(80, 90))
    load(page, "41 Train a decoder")
    values = {"content_folder": "browser photos", "style_folder": "browser styles", "checkpoint_name": "browser"}
    values |= {"steps": 100_000, "batch_size": 2, "crop_size": 64, "save_every": 0, "preview_every": 2}
    node = NODE.format("AdaINTrainDecoder")
    page.evaluate(
        f"values => {node}.widgets.forEach(w => {{ if (w.name in values) w.value = values[w.name] }})", values
    )
    page.locator(RUN).first.click()
    wait_for_picture(page, "AdaINTrainDecoder", width=101)
    page.get_by_text("steps/s").first.wait_for()
    assert screenshot(page, "AdaINTrainDecoder")[-200:].std() > 30, "the preview is seen on the node"
    (running,) = comfyui.get("/queue")["queue_running"]
    page.locator(CANCEL).first.click()
    assert "execution_interrupted" in dict(comfyui.wait(running[1])["status"]["messages"])
    (*_, last) = saved_states(comfyui.base / "output/adain_training/browser/checkpoints")
    assert 2 <= load_state(last).step < 100_000
    page.wait_for_function(f"!document.querySelector('{MESSAGES}')")  # 'interrupted' is shown for a second


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_workflow_loads(page, path):
    """No word of missing nodes, no node too small for its widgets."""
    load(page, path.stem)
    assert page.locator(MESSAGES).all_inner_texts() == []
    nodes = page.evaluate(
        """() => app.graph._nodes.map(n => ({
          title: n.title, note: n.type.endsWith("Note"), errors: !!n.has_errors,
          known: n.type in LiteGraph.registered_node_types,
          needs: [...n.computeSize()], size: [...n.size],
          combos: n.widgets?.filter(w => w.type === "combo").map(w => w.options.values.includes(w.value)) ?? [],
        }))"""
    )
    assert nodes
    for node in nodes:
        assert node["known"], node
        assert not node["errors"], node
        assert all(node["combos"]), node
        # The oldest version asks for a margin that newer ones do without. Notes scroll.
        assert node["note"] or all(np.array(node["size"]) + MARGIN >= node["needs"]), node
