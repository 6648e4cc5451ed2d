"""The real front end in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from .server import Installation, Server

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-quic --no-first-run "
    "--disable-component-update --disable-sync"
)
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
def open_page(server: Server, width: int = 1600, height: int = 1200, canvas: str = "litegraph") -> Iterator:
    """A Playwright page with ComfyUI loaded in it."""
    from playwright.sync_api import sync_playwright

    server.post("/settings", {"Comfy.VueNodes.Enabled": canvas == "nodes2"})
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS.split())
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(server.url)
        page.wait_for_function(_READY, timeout=60_000)
        page.wait_for_timeout(3000)  # the graph is there before the interface around it is
        yield page
        browser.close()
