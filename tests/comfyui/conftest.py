"""One real ComfyUI for all tests here; they are skipped, saying why, where there is none and none is required."""

from __future__ import annotations

from pathlib import Path

import pytest

from .required import skip
from .server import Server, find_comfyui


def pytest_collection_modifyitems(items):
    """All tests here wait for a server."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def start_comfyui(tmp_path_factory):
    """Starts a ComfyUI with more switches; stopped at the end of the session."""
    found = find_comfyui()
    if isinstance(found, str):
        skip(found)
    running = []

    def start(*arguments: str) -> Server:
        running.append(Server(*found, tmp_path_factory.mktemp("comfyui"), arguments))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def comfyui(start_comfyui) -> Server:
    return start_comfyui()
