"""Workflows as files (ComfyUI's UI format) and as the API takes them."""

from __future__ import annotations

import json
from pathlib import Path

_WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3")
_VIRTUAL = ("Note", "MarkdownNote")


def to_api(workflow: dict, definitions: dict) -> dict:
    """Converts the UI format to the API's, as the front end does.

    Args:
        workflow: a workflow file's content.
        definitions: ComfyUI's answer to /object_info.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in _VIRTUAL:
            continue
        values = iter(node.get("widgets_values", []))
        links = {slot["name"]: slot["link"] for slot in node.get("inputs", []) if slot.get("link") is not None}
        inputs = {}
        for group in ("required", "optional"):
            for name, spec in definitions[node["type"]]["input"].get(group, {}).items():
                if is_widget(spec):
                    inputs[name] = next(values)
                    if len(spec) > 1 and spec[1].get("control_after_generate"):
                        next(values)
                if name in links:
                    inputs[name] = sources[links[name]]
        assert not list(values), f"{node['type']}: more widget values than widgets"
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def trains(path: Path) -> bool:
    """Whether an example workflow trains: takes minutes, and gives no picture that can be foretold."""
    return any(node["type"] == "AdaINTrainDecoder" for node in json.loads(path.read_text())["nodes"])


def films(path: Path) -> bool:
    """Whether an example workflow takes a video, which the user brings."""
    return any(node["type"] == "LoadVideo" for node in json.loads(path.read_text())["nodes"])


def is_widget(spec: list) -> bool:
    """Whether an input of /object_info is a widget rather than a socket only."""
    return (isinstance(spec[0], list) or spec[0] in _WIDGET_TYPES) and not (len(spec) > 1 and spec[1].get("forceInput"))
