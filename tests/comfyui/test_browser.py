"""The front end in a real browser: templates, running, help, training, the pad of Style Mix, the example workflows."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adain_core.training.run.state import load_state, saved_states
from tests.adain_core.pictures import write_pictures

from .browser import open_page, why_no_browser
from .expected import EXAMPLES
from .required import skip
from .server import PACK_FOLDER

TIMEOUT = 150_000  # milliseconds; a busy machine takes its time
NODE = "app.graph._nodes.find(node => node.type === {!r})"
# What ComfyUI says over the graph: dialogs (missing nodes, errors) and notes in the corner.
MESSAGES = ".p-dialog, .p-toast-message"
RUN, CANCEL = '[data-testid="queue-button"]', 'button[aria-label="Cancel current run"]'


@pytest.fixture(scope="module")
def page(comfyui, canvas):
    if reason := why_no_browser():
        skip(reason)
    with open_page(comfyui, canvas=canvas) as page:
        page.set_default_timeout(TIMEOUT)
        yield page


def load(page, stem: str) -> None:
    page.evaluate("workflow => app.loadGraphData(workflow)", json.loads((EXAMPLES / f"{stem}.json").read_text()))
    page.evaluate("app.canvas.ds.reset(); app.canvas.setDirty(true, true)")
    page.wait_for_timeout(300)


def screenshot(page, kind: str) -> np.ndarray:
    """Pixels of a node as seen on the screen, at full size."""
    page.evaluate(
        f"{{ const [x, y] = {NODE.format(kind)}.getBounding(); app.canvas.ds.scale = 1;"
        " app.canvas.ds.offset = [200 - x, 200 - y]; app.canvas.setDirty(true, true) }"
    )
    page.wait_for_timeout(500)
    width, height = page.evaluate(f"[...{NODE.format(kind)}.getBounding()].slice(2)")
    picture = page.screenshot(clip={"x": 200, "y": 200, "width": width, "height": height})
    return np.array(Image.open(io.BytesIO(picture)).convert("RGB"))


def test_stylize_from_the_template_browser(page):
    page.evaluate("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.locator(".p-dialog").get_by_text(PACK_FOLDER).click()
    page.get_by_test_id("template-workflow-02 Stylize step by step").click()
    page.wait_for_function(f"{NODE.format('AdaINDecode')} && !document.querySelector('{MESSAGES}')")
    page.evaluate(
        """() => {
        window.seen = { titles: [], progress: [] };
        const title = () => seen.titles.push(document.title);
        new MutationObserver(title).observe(document.head, { subtree: true, childList: true, characterData: true });
        app.api.addEventListener("progress", ({ detail }) => seen.progress.push(detail));
        }"""
    )
    page.locator(RUN).first.click()
    page.wait_for_function(f"{NODE.format('PreviewImage')}.imgs?.[0]?.complete")
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
    picture = screenshot(page, "AdaINLoadStyle")
    node = NODE.format("AdaINLoadStyle")
    page.wait_for_function(f"{node}.imgs?.[0]?.complete && {node}.imgs[0].naturalWidth > 90")
    assert picture[-80:].std() > 20, "still seen when the run has ended"


def test_help_panel(page):
    load(page, "41 Train a decoder")
    page.evaluate(f"app.canvas.selectNode({NODE.format('AdaINTrainDecoder')})")
    page.get_by_test_id("info-button").click()
    help_page = Path(__file__).parents[2] / "web/docs/AdaINTrainDecoder.md"
    heading = next(line for line in help_page.read_text().splitlines() if line.startswith("#")).strip("# ")
    page.locator(".node-help-content").get_by_text(heading, exact=True).first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_test_id("info-button").click()


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
    page.wait_for_function(f"{node}.progress > 0 && {node}.imgs?.[0]?.complete && {node}.imgs[0].naturalWidth > 100")
    page.get_by_text("steps/s").first.wait_for()
    assert screenshot(page, "AdaINTrainDecoder")[-200:].std() > 30, "the preview is seen on the node"
    (running,) = comfyui.get("/queue")["queue_running"]
    page.locator(CANCEL).first.click()
    assert "execution_interrupted" in dict(comfyui.wait(running[1])["status"]["messages"])
    (*_, last) = saved_states(comfyui.base / "output/adain_training/browser/checkpoints")
    assert 2 <= load_state(last).step < 100_000
    page.wait_for_function(f"!document.querySelector('{MESSAGES}')")  # 'interrupted' is shown for a second


PAD = ".adain-pad"
MIX = NODE.format("AdaINStyleMix")


def weights(page) -> list[float]:
    return page.evaluate(f"{MIX}.widgets.filter(w => w.name.startsWith('weight')).map(w => w.value)")


def connect(page, style: int) -> None:
    """Another wire of the first encoded image, into an input of Style Mix."""
    slot = f"{MIX}.inputs.findIndex(input => input.name === 'style_{style}')"
    page.evaluate(f"{NODE.format('AdaINVGGEncode')}.connect(0, {MIX}, {slot})")
    page.wait_for_timeout(100)


def drag(page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """On the pad, in parts of the field between its corners."""
    box = page.locator(f"{PAD} > div").bounding_box()
    (x0, y0), (x1, y1) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move(x1, y1, steps=3)
    page.mouse.up()


def mixtures(count: int, steps: int = 100) -> np.ndarray:
    """All weights of that many styles in hundredths, ``[N, count]``, each of sum 1."""
    counts = [c for c in itertools.product(range(steps + 1), repeat=count - 1) if sum(c) <= steps]
    return np.array([(*c, steps - sum(c)) for c in counts]) / steps


def test_pad_mathematics(page):
    """Against closed forms: bilinear for four, the nearest point of segment or triangle for fewer, by search."""
    ticks = np.linspace(-0.3, 1.3, 9)
    points = [[x, y] for x in ticks for y in ticks]
    subsets = [list(s) for n in (1, 2, 3, 4) for s in itertools.combinations(range(4), n)]
    found = page.evaluate(
        """async ([folder, points, subsets]) => {
        const { weightsAt, pointOf, rounded } = await import(`/extensions/${folder}/style_mix_weights.js`);
        return subsets.map(s => points.map(p => {
          const w = weightsAt(p, s);
          return { w, back: pointOf(w.map(x => 3 * x), s), rounded: rounded(w) };
        }));
        }""",
        [PACK_FOLDER, points, subsets],
    )
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float)
    for subset, results in zip(subsets, found, strict=True):
        inside = mixtures(min(len(subset), 3)) @ corners[subset[:3]]
        for point, result in zip(points, results, strict=True):
            w = np.array(result["w"])
            assert (w >= 0).all()
            assert w.sum() == pytest.approx(1)
            place = w @ corners[subset]
            np.testing.assert_allclose(result["back"], place, atol=1e-9)
            if len(subset) == 4:
                x, y = np.clip(point, 0, 1)
                np.testing.assert_allclose(w, np.outer([1 - y, y], [1 - x, x]).ravel(), atol=1e-9)
            else:
                nearest = np.linalg.norm(inside - point, axis=1).min()
                assert np.linalg.norm(place - point) == pytest.approx(nearest, abs=0.01)
            np.testing.assert_allclose(result["rounded"], w, atol=0.01)
            assert round(sum(result["rounded"]), 9) == 1
            np.testing.assert_allclose(np.array(result["rounded"]) * 100 % 1, 0, atol=1e-6)


def test_pad_sets_the_weights_by_mouse_and_keys(page):
    load(page, "11 Mix two styles")
    pad = page.locator(PAD)
    drag(page, (0.5, 0.5), (0.8, 0.5))
    np.testing.assert_allclose(weights(page), [0.2, 0.8, 1, 1], atol=0.02)
    before = weights(page)
    page.keyboard.press("ArrowLeft")
    np.testing.assert_allclose(weights(page)[:2], [before[0] + 0.01, before[1] - 0.01], atol=0.0101)
    page.keyboard.press("Home")
    assert weights(page) == [1, 0, 1, 1]
    page.keyboard.press("Shift+ArrowRight")
    assert weights(page) == [0.9, 0.1, 1, 1]
    assert pad.get_attribute("aria-valuetext") == "style 1: 90 %, style 2: 10 %"
    page.keyboard.press("Control+z")
    page.wait_for_function(f"{MIX}.widgets[0].value === 1")

    connect(page, 4)
    pad.focus()
    page.keyboard.press("End")
    assert weights(page) == [0, 0, 1, 1], "style 3 is not connected, its weight not touched"
    connect(page, 3)
    drag(page, (0.5, 0.5), (0.75, 0.5))
    np.testing.assert_allclose(weights(page), [0.125, 0.375, 0.125, 0.375], atol=0.02)
    for _ in range(10):
        page.keyboard.press("ArrowDown")  # a step changes each weight by less than they are rounded to
    np.testing.assert_allclose(weights(page), [0.1, 0.3, 0.15, 0.45], atol=0.02)


def test_pad_follows_the_weights_and_is_off_for_one_style(page):
    load(page, "11 Mix two styles")
    pad, dot = page.locator(PAD), page.locator(f"{PAD} i")
    page.evaluate(f"{MIX}.widgets[0].value = 9; {MIX}.widgets[1].value = 3; app.canvas.setDirty(true)")
    page.wait_for_function(f"document.querySelector('{PAD} i').style.left === '25%'")
    off = page.locator(f"{PAD} span.off")
    assert off.all_inner_texts() == ["3", "4"]
    page.evaluate(f"{MIX}.widgets.slice(0, 2).forEach(w => w.value = 0); app.canvas.setDirty(true)")
    dot.wait_for(state="hidden")
    page.evaluate(f"{MIX}.disconnectInput({MIX}.inputs.findIndex(input => input.name === 'style_2'))")
    page.wait_for_function(f"document.querySelector('{PAD}').ariaDisabled === 'true'")
    assert pad.get_attribute("tabindex") == "-1"
    drag(page, (0.2, 0.5), (0.8, 0.5))
    assert weights(page) == [0, 0, 1, 1]


def test_pad_is_saved_with_the_workflow_as_its_numbers(page):
    load(page, "11 Mix two styles")
    drag(page, (0.5, 0.5), (0.3, 0.5))
    kept = weights(page)
    saved = json.loads(page.evaluate("JSON.stringify(app.graph.serialize())"))
    assert next(node for node in saved["nodes"] if node["type"] == "AdaINStyleMix")["widgets_values"] == kept
    inputs = page.evaluate("app.graphToPrompt().then(prompt => Object.values(prompt.output))")
    assert "pad" not in next(node for node in inputs if node["class_type"] == "AdaINStyleMix")["inputs"]
    load(page, "02 Stylize step by step")
    assert page.locator(PAD).count() == 0
    page.evaluate("workflow => app.loadGraphData(workflow)", saved)
    page.locator(PAD).wait_for()
    assert weights(page) == kept
    assert float(page.locator(f"{PAD} i").evaluate("dot => parseFloat(dot.style.left)")) == pytest.approx(
        100 * kept[1], abs=0.5
    )


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_workflow_loads_and_looks_right(page, path):
    """No word of missing nodes, no wire that runs backwards, no node too small for its widgets, none over another."""
    load(page, path.stem)
    assert page.locator(MESSAGES).all_inner_texts() == []
    nodes, wires = page.evaluate(
        """() => [
        app.graph._nodes.map(n => ({
          title: n.title, known: n.type in LiteGraph.registered_node_types, errors: !!n.has_errors,
          box: [...n.getBounding()], needs: [...n.computeSize()], size: [...n.size],
          combos: n.widgets?.filter(w => w.type === "combo").map(w => w.options.values.includes(w.value)) ?? [],
        })),
        [...app.graph.links.values()].map(({ origin_id, origin_slot, target_id, target_slot }) => [
          app.graph.getNodeById(origin_id).getConnectionPos(false, origin_slot)[0],
          app.graph.getNodeById(target_id).getConnectionPos(true, target_slot)[0],
        ]),
        ]"""
    )
    assert nodes
    for node in nodes:
        assert node["known"], node
        assert not node["errors"], node
        assert all(node["combos"]), node
        assert all(np.array(node["size"]) >= node["needs"]), node
    for (left, top, width, height), other in itertools.permutations([node["box"] for node in nodes], 2):
        apart = left + width <= other[0] or other[0] + other[2] <= left
        assert apart or top + height <= other[1] or other[1] + other[3] <= top
    assert all(start < end for start, end in wires)
