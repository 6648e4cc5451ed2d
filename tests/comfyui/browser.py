"""The real front end in a real browser."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from .server import ROOT, Installation, Server

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-quic --no-first-run "
    "--disable-component-update --disable-sync"
)
TIMEOUT = 150_000  # milliseconds; a busy machine takes its time
NODE = "app.canvas.graph._nodes.find(node => node.type === {!r})"
# Where on the screen a point of the graph is.
ON_SCREEN = """
point => {
    const { scale, offset } = app.canvas.ds, canvas = document.querySelector("#graph-canvas").getBoundingClientRect()
    return point.map((t, k) => (t + offset[k]) * scale + [canvas.x, canvas.y][k])
}
"""
_READY = 'window.app?.graph && document.querySelector("#graph-canvas")'


def why_no_browser() -> str | None:
    """The reason why there is no browser; None when there is one."""
    if find_spec("playwright") is None:
        return "no playwright; pip install -r requirements-dev.txt"
    return None if Path(CHROMIUM).is_file() else f"no Chromium at {CHROMIUM}; set CHROMIUM"


def canvases_of(installation: Installation | None) -> list[str]:
    """How its front end can draw nodes: on LiteGraph's canvas, and as Vue components (Nodes 2.0)."""
    return ["litegraph", "nodes2"] if installation and installation.since("0.33") else ["litegraph"]


@contextmanager
def open_browser() -> Iterator:
    """Playwright's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS.split(), timeout=TIMEOUT)
        yield browser
        browser.close()


@contextmanager
def open_page(browser, server: Server, width: int = 1600, height: int = 1200, canvas: str = "litegraph") -> Iterator:
    """A Playwright page with ComfyUI loaded in it."""
    server.post("/settings", {"Comfy.VueNodes.Enabled": canvas == "nodes2"})
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(TIMEOUT)
    page.goto(server.url)
    wait_until_ready(page)
    yield page
    page.close()


def wait_until_ready(page) -> None:
    page.wait_for_function(_READY)
    page.wait_for_timeout(3000)  # the graph is there before the interface around it is


def load(page, stem: str) -> None:
    """Shows an example workflow as a graph, at full size."""
    workflow = json.loads((ROOT / "examples" / f"{stem}.json").read_text())
    workflow["extra"].pop("linearMode", None)  # of an app
    page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
    page.evaluate("app.canvas.ds.reset(); app.canvas.setDirty(true, true)")
    page.wait_for_timeout(300)
