"""Writes locales/en/nodeDefs.json from the nodes' definitions.

python -m tests.nodes.make_english_locale   after a change of a name or a tooltip
"""

from __future__ import annotations

import json
from types import ModuleType

from tests.conftest import ROOT, load_pack

PATH = ROOT / "locales" / "en" / "nodeDefs.json"


def english(pack: ModuleType) -> dict:
    """The nodes' own texts in the form of ComfyUI's nodeDefs.json."""
    return {node_id: _node(pack, node_id) for node_id in pack.NODE_CLASS_MAPPINGS}


def _node(pack: ModuleType, node_id: str) -> dict:
    node = pack.NODE_CLASS_MAPPINGS[node_id]
    inputs = node.INPUT_TYPES()
    specs = {**inputs.get("required", {}), **inputs.get("optional", {})}
    outputs = zip(node.RETURN_NAMES, node.OUTPUT_TOOLTIPS, strict=True)
    return {
        "display_name": pack.NODE_DISPLAY_NAME_MAPPINGS[node_id],
        "description": node.DESCRIPTION,
        "inputs": {name: {"name": name, "tooltip": spec[1]["tooltip"]} for name, spec in specs.items()},
        "outputs": {str(k): {"name": name, "tooltip": tooltip} for k, (name, tooltip) in enumerate(outputs)},
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(english(load_pack()), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
