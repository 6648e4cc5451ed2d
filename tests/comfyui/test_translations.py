"""The front end in Chinese: titles, labels, tooltips and help."""

from __future__ import annotations

import json

import pytest

from .browser import NODE as NODE_OF
from .browser import ON_SCREEN, load, open_page
from .server import ROOT

CHINESE = json.loads((ROOT / "locales/zh/nodeDefs.json").read_text(encoding="utf-8"))
NODE = NODE_OF.format("AdaINApply")


@pytest.fixture(scope="module")
def page(browser, comfyui, canvas):
    before = comfyui.get("/settings")
    comfyui.post("/settings", {"Comfy.Locale": "zh", "LiteGraph.Node.TooltipDelay": 50})
    with open_page(browser, comfyui, canvas=canvas) as page:
        load(page, "02 Stylize step by step")
        page.evaluate(f"app.canvas.ds.offset = [700, 300].map((t, k) => t - {NODE}.pos[k])")
        page.wait_for_timeout(500)
        yield page
    comfyui.post("/settings", {"Comfy.Locale": "en", "LiteGraph.Node.TooltipDelay": 500} | before)


def test_titles_and_labels(page):
    node = page.evaluate(
        f"(({{constructor: {{title, category}}, inputs, outputs, widgets}}) => ({{title, category,"
        " inputs: inputs.map(i => [i.name, i.label ?? i.localized_name]), outputs: outputs.map(o => o.localized_name),"
        f" widgets: widgets.map(w => [w.name, w.label])}}))({NODE})"
    )
    wanted = CHINESE["AdaINApply"]
    assert node["title"] == wanted["display_name"]
    assert node["category"] == "AdaIN \u98ce\u683c\u8fc1\u79fb"
    assert dict(node["inputs"]) == {name: entry["name"] for name, entry in wanted["inputs"].items()}
    assert dict(node["widgets"]) == {"alpha": wanted["inputs"]["alpha"]["name"]}
    assert node["outputs"] == [wanted["outputs"]["0"]["name"]]


def test_tooltips(page, canvas):
    """Of a socket, a widget and an output."""
    points = {
        ("inputs", "style"): f"{NODE}.getConnectionPos(true, 1)",
        ("inputs", "alpha"): f"[{NODE}.pos[0] + 60, {NODE}.pos[1] + {NODE}.widgets[0].last_y + 10]",
        ("outputs", "0"): f"{NODE}.getConnectionPos(false, 0)",
    }
    if canvas == "nodes2":
        del points["inputs", "style"]  # the front end looks it up by the translated name, and finds none
    for (group, name), point in points.items():
        texts = CHINESE["AdaINApply"][group][name]
        if canvas == "nodes2":
            element = page.locator(f"[data-node-id='{page.evaluate(f'{NODE}.id')}']")
            element.get_by_text(texts["name"], exact=True).first.hover()
        else:
            x, y = page.evaluate(f"({ON_SCREEN})([...{point}])")
            page.mouse.move(x - 300, y + 300)
            page.mouse.move(x, y, steps=3)
        page.get_by_text(texts["tooltip"], exact=True).first.wait_for(timeout=30_000)


def test_help_with_its_pictures(page):
    page.evaluate(f"app.canvas.selectNode({NODE})")
    page.get_by_test_id("info-button").click()
    heading = (ROOT / "web/docs/AdaINApply/zh.md").read_text(encoding="utf-8").splitlines()[2]
    page.locator(".node-help-content").get_by_text(heading).wait_for()
    page.wait_for_function("[...document.querySelectorAll('.node-help-content img')].every(i => i.naturalWidth > 0)")
    assert page.locator(".node-help-content img").count() == 3


def test_pad_of_style_mix(page):
    load(page, "11 Mix two styles")
    pad = page.locator(".adain-pad")
    assert pad.get_attribute("aria-label") == "\u98ce\u683c\u6743\u91cd"
    assert pad.get_attribute("aria-valuetext") == "\u98ce\u683c 1\uff1a50 %\uff0c\u98ce\u683c 2\uff1a50 %"
    assert not pad.get_attribute("title").isascii()
