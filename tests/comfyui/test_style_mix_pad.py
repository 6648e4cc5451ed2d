"""The pad of Style Mix, in every front end and on every canvas: LiteGraph's and Nodes 2.0's."""

from __future__ import annotations

import base64
import itertools
import json

import numpy as np
import pytest

from .browser import NODE, ON_SCREEN, load, wait_until_ready
from .server import ROOT

PANEL = "Comfy.RightSidePanel.IsOpen"
PAD = ".adain-pad"
MIX = NODE.format("AdaINStyleMix")
WORKFLOW = "11 Mix two styles"


def show(page, stem: str = WORKFLOW) -> None:
    load(page, stem)
    center(page)


def center(page, node: str = MIX) -> None:
    """The node in the middle of the screen, at full size."""
    page.evaluate(
        f"{{ const {{ pos, size }} = {node}, {{ ds, canvas }} = app.canvas; ds.scale = 1;"
        " ds.offset = [(canvas.clientWidth - size[0]) / 2 - pos[0], (canvas.clientHeight - size[1]) / 2 - pos[1]];"
        " app.canvas.setDirty(true, true) }"
    )
    page.wait_for_timeout(500)


def weights(page, node: str = MIX) -> list[float]:
    return page.evaluate(f"{node}.widgets.filter(w => w.name.startsWith('weight')).map(w => w.value)")


def connect(page, style: int) -> None:
    """Another wire of the first encoded image, into an input of Style Mix."""
    slot = f"{MIX}.inputs.findIndex(input => input.name === 'style_{style}')"
    page.evaluate(f"{NODE.format('AdaINVGGEncode')}.connect(0, {MIX}, {slot})")
    page.wait_for_timeout(100)


def pad_of(page, node: str = MIX):
    """The element that belongs to the node, once it is on the screen."""
    element = f"{node}.widgets.find(w => w.name === 'pad').element"
    page.wait_for_function(f"{element}.getBoundingClientRect().height > 0", timeout=30_000)
    return page.evaluate_handle(element).as_element()


def shown(page, node: str = MIX) -> float:
    """How far to the right its point is, 0..1."""
    return pad_of(page, node).evaluate("pad => parseFloat(pad.querySelector('i').style.left)") / 100


def drag(page, start: tuple[float, float], end: tuple[float, float], node: str = MIX) -> None:
    """On the pad, in parts of the field between its corners."""
    box = pad_of(page, node).query_selector(":scope > div").bounding_box()
    (x0, y0), (x1, y1) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move(x1, y1, steps=3)
    page.mouse.up()


def assert_alive(page, node: str = MIX) -> None:
    """The pad that is seen sets the weights of its node, and follows them."""
    drag(page, (0.5, 0.5), (0.25, 0.5), node)
    np.testing.assert_allclose(weights(page, node)[:2], [0.75, 0.25], atol=0.02)
    page.evaluate(f"{node}.widgets.slice(0, 2).forEach((w, k) => w.value = [0.1, 0.4][k])")
    assert shown(page, node) == pytest.approx(0.8)


def command(page, name: str) -> None:
    page.evaluate(f"app.extensionManager.command.execute('Comfy.{name}')")
    page.wait_for_timeout(500)


def mixtures(count: int, steps: int = 100) -> np.ndarray:
    """All weights of that many styles in hundredths, ``[N, count]``, each of sum 1."""
    counts = [c for c in itertools.product(range(steps + 1), repeat=count - 1) if sum(c) <= steps]
    return np.array([(*c, steps - sum(c)) for c in counts]) / steps


def test_mathematics(browser):
    """Against closed forms: bilinear for four, the nearest point of segment or triangle for fewer, by search."""
    ticks = np.linspace(-0.3, 1.3, 9)
    points = [[x, y] for x in ticks for y in ticks]
    subsets = [list(s) for n in (1, 2, 3, 4) for s in itertools.combinations(range(4), n)]
    source = base64.b64encode((ROOT / "web/style_mix_weights.js").read_bytes()).decode()
    page = browser.new_page()
    found = page.evaluate(
        """async ([source, points, subsets]) => {
        const { weightsAt, pointOf, rounded } = await import(`data:text/javascript;base64,${source}`);
        return subsets.map(s => points.map(p => {
          const w = weightsAt(p, s);
          return { w, back: pointOf(w.map(x => 3 * x), s), rounded: rounded(w) };
        }));
        }""",
        [source, points, subsets],
    )
    page.close()
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


def test_mouse_and_keys_set_the_weights(page):
    show(page)
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


def test_it_follows_the_weights_and_is_off_for_one_style(page):
    show(page)
    pad, dot = page.locator(PAD), page.locator(f"{PAD} i")
    page.evaluate(f"{MIX}.widgets[0].value = 9; {MIX}.widgets[1].value = 3")
    assert shown(page) == pytest.approx(0.25)
    off = page.locator(f"{PAD} span.off")
    assert off.all_inner_texts() == ["3", "4"]
    page.evaluate(f"{MIX}.widgets.slice(0, 2).forEach(w => w.value = 0)")
    dot.wait_for(state="hidden")
    page.evaluate(f"{MIX}.disconnectInput({MIX}.inputs.findIndex(input => input.name === 'style_2'))")
    page.wait_for_function(f"document.querySelector('{PAD}').ariaDisabled === 'true'")
    assert pad.get_attribute("tabindex") == "-1"
    drag(page, (0.2, 0.5), (0.8, 0.5))
    assert weights(page) == [0, 0, 1, 1]


def test_it_is_saved_with_the_workflow_as_its_numbers(page):
    show(page)
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
    assert shown(page) == pytest.approx(kept[1], abs=0.005)


def test_it_follows_weights_typed_into_the_node(page, canvas):
    show(page)
    if canvas == "nodes2":
        number = page.locator(f"[data-node-id='{page.evaluate(f'{MIX}.id')}'] input[role=spinbutton]").first
    else:
        at = f"[{MIX}.pos[0] + {MIX}.size[0] / 2, {MIX}.pos[1] + {MIX}.widgets[0].last_y + 10]"
        page.mouse.click(*page.evaluate(f"({ON_SCREEN})({at})"))
        number = page.locator(".graphdialog input")
    number.focus()
    number.fill("1.5")
    number.press("Enter")
    page.wait_for_function(f"{MIX}.widgets[0].value === 1.5")
    assert shown(page) == pytest.approx(0.25)


@pytest.mark.since("0.33")
def test_it_follows_weights_set_in_the_right_panel_and_has_no_row_there(page):
    show(page)
    page.evaluate(f"app.canvas.selectNode({MIX})")
    # Not by its button, which closes it where another test has left it open: the server keeps that.
    page.evaluate(f"app.extensionManager.setting.set('{PANEL}', true)")
    panel = page.get_by_test_id("properties-panel")
    panel.get_by_text("weight_4").wait_for()
    assert panel.locator(".widget-item").all_inner_texts() == [f"weight_{k}" for k in (1, 2, 3, 4)]
    number = panel.locator("input[role=spinbutton]").first
    number.focus()
    number.fill("1.5")
    number.press("Enter")
    page.wait_for_function(f"{MIX}.widgets[0].value === 1.5")
    assert shown(page) == pytest.approx(0.25)
    page.evaluate(f"app.extensionManager.setting.set('{PANEL}', false)")


def test_it_lives_after_undo_and_redo(page):
    show(page)
    first = weights(page)
    drag(page, (0.5, 0.5), (0.8, 0.5))
    second = weights(page)
    page.wait_for_timeout(500)
    for name, expected in (("Undo", first), ("Redo", second), ("Undo", first)):
        command(page, name)
        assert weights(page) == expected
        assert shown(page) == pytest.approx(expected[1] / (expected[0] + expected[1]), abs=0.005)
    assert page.locator(PAD).count() == 1
    assert_alive(page)


def test_original_and_copy_live(page):
    show(page)
    original = page.evaluate(f"{MIX}.id")
    page.evaluate(
        f"app.canvas.selectNode({MIX}); app.canvas.copyToClipboard();"
        f" app.canvas.pasteFromClipboard({{ connectInputs: true, position: [{MIX}.pos[0], {MIX}.pos[1] + 600] }})"
    )
    ids = page.evaluate("app.canvas.graph._nodes.filter(node => node.type === 'AdaINStyleMix').map(node => node.id)")
    (copy,) = set(ids) - {original}
    original, copy = (f"app.canvas.graph.getNodeById({json.dumps(node)})" for node in (original, copy))
    before = weights(page, original)
    center(page, copy)
    assert_alive(page, copy)
    assert weights(page, original) == before
    before = weights(page, copy)
    center(page, original)
    assert_alive(page, original)
    assert weights(page, copy) == before


def test_it_lives_after_the_workflow_and_the_page_are_loaded_again(page):
    show(page)
    show(page)
    assert_alive(page)
    drag(page, (0.5, 0.5), (0.3, 0.5))
    kept = weights(page)
    page.wait_for_timeout(2000)  # ComfyUI keeps the workflow in the browser, not at once
    page.reload()
    wait_until_ready(page)
    page.wait_for_function(f"!!{MIX}")
    center(page)
    assert weights(page) == kept
    assert shown(page) == pytest.approx(kept[1], abs=0.005)
    assert_alive(page)


def test_it_lives_in_a_subgraph_and_when_one_has_been_left(page):
    show(page)
    page.evaluate(f"window.made = app.graph.convertToSubgraph(new Set([{NODE.format('AdaINApply')}]))")
    for _ in range(2):
        page.evaluate("app.canvas.openSubgraph(made.subgraph, made.node)")
        page.wait_for_timeout(500)
        page.evaluate("app.canvas.setGraph(app.graph)")
        center(page)
        assert_alive(page)
    page.evaluate(f"window.made = app.graph.convertToSubgraph(new Set([{MIX}]))")
    for _ in range(2):
        page.evaluate("app.canvas.openSubgraph(made.subgraph, made.node)")
        page.wait_for_timeout(500)
        center(page)
        assert_alive(page)
        page.evaluate("app.canvas.setGraph(app.graph)")
        page.wait_for_timeout(500)


def test_it_reads_connections_as_the_newest_front_ends_want(page):
    """Not from the link of an input, which is deprecated there."""
    show(page)
    page.evaluate(
        f"""() => {{
        window.reads = [];
        for (const input of {MIX}.inputs) {{
          let link = input.link;
          Object.defineProperty(input, "link", {{
            configurable: true, enumerable: true,
            get() {{ reads.push(new Error().stack.split("\\n")[2]); return link; }},
            set(value) {{ link = value; }},
          }});
        }}
        }}"""
    )
    connect(page, 3)
    drag(page, (0.5, 0.5), (0.5, 0.5))
    reads = page.evaluate("reads")
    assert reads
    assert not [read for read in reads if "style_mix_pad" in read]
    assert page.locator(f"{PAD} span.off").all_inner_texts() == ["4"]


def test_middle_button_and_wheel_move_the_canvas(page):
    show(page)
    box = pad_of(page).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = page.evaluate("[...app.canvas.ds.offset]")
    page.mouse.move(x, y)
    page.mouse.down(button="middle")
    page.mouse.move(x + 60, y + 40, steps=3)
    page.mouse.up(button="middle")
    page.wait_for_function(
        f"app.canvas.ds.offset[0] === {before[0] + 60} && app.canvas.ds.offset[1] === {before[1] + 40}"
    )
    page.mouse.wheel(0, -100)
    page.wait_for_function("app.canvas.ds.scale > 1 && app.canvas.ds.scale < 1.2")
