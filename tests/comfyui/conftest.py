"""Real ComfyUIs for all tests here; they are skipped, saying why, where there is none and none is required.

A test that takes ``comfyui`` runs in every ComfyUI found, one that takes ``canvas``, too, on every canvas of its front
end: ``litegraph``, and ``nodes2`` where there is Nodes 2.0. Marked ``since("0.33")`` it runs in no older one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .browser import canvases_of, open_browser, open_page, why_no_browser
from .required import skip
from .server import Installation, Server, find_comfyuis


def pytest_collection_modifyitems(items):
    """All tests here wait for a server."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


def pytest_generate_tests(metafunc):
    if "installation" not in metafunc.fixturenames:
        return
    found = find_comfyuis()
    installations = [None] if isinstance(found, str) else found
    if since := metafunc.definition.get_closest_marker("since"):
        installations = [one for one in installations if one is None or one.since(*since.args)]
    if "canvas" in metafunc.fixturenames:
        cases = [(one, canvas) for one in installations for canvas in canvases_of(one)]
        metafunc.parametrize("installation, canvas", cases, indirect=True, scope="session", ids=_id)
    else:
        metafunc.parametrize("installation", installations, indirect=True, scope="session", ids=_id)


def _id(value: Installation | str | None) -> str:
    return f"comfyui-{value.version}" if isinstance(value, Installation) else value or "no-comfyui"


@pytest.fixture(scope="session")
def installation(request) -> Installation:
    """A ComfyUI on disk."""
    if request.param is None:
        skip(str(find_comfyuis()))
    if not request.param.python.is_file():
        skip(f"no Python of ComfyUI at {request.param.python}; set COMFYUI_PYTHON")
    return request.param


@pytest.fixture(scope="session")
def canvas(request) -> str:
    """How the front end draws nodes."""
    return request.param


@pytest.fixture(scope="session")
def start_comfyui(installation, tmp_path_factory):
    """Starts a ComfyUI with more switches; stopped at the end of its tests."""
    running = []

    def start(*arguments: str) -> Server:
        running.append(Server(installation, tmp_path_factory.mktemp("comfyui"), arguments))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def comfyui(start_comfyui) -> Server:
    return start_comfyui()


@pytest.fixture(scope="session")
def browser():
    if reason := why_no_browser():
        skip(reason)
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def page(browser, comfyui, canvas):
    """The front end, in English."""
    with open_page(browser, comfyui, canvas=canvas) as page:
        yield page
