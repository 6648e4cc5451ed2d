"""ComfyUI's memory states, on a device that has no data: only where the weights go can be seen."""

from __future__ import annotations

import subprocess

from .required import skip
from .server import ROOT, find_comfyui

# Runs in ComfyUI's Python. "meta" stands for a GPU; it is never computed on.
SCRIPT = """
import importlib.util, sys
pack = sys.argv[1]
sys.argv = ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import torch
import comfy.model_management as management

gpu = torch.device("meta")
management.get_torch_device = lambda: gpu
management.get_free_memory = lambda device=None, torch_free_too=False: (2**40, 2**40) if torch_free_too else 2**40
management.vae_dtype = lambda device=None, allowed=(): torch.float32
management.lowvram_available = True

spec = importlib.util.spec_from_file_location("pack", pack + "/__init__.py", submodule_search_locations=[pack])
module = importlib.util.module_from_spec(spec)
sys.modules["pack"] = module
spec.loader.exec_module(module)
loaders = sys.modules["pack.nodes.loaders"]
for state in ("NO_VRAM", "LOW_VRAM", "NORMAL_VRAM", "HIGH_VRAM"):
    management.vram_state = management.VRAMState[state]
    models = loaders.load_encoder(loaders.DEFAULT_ENCODER), loaders.load_decoder(loaders.DEFAULT_DECODER)
    pair = [loaders.host.ManagedModel(model) for model in models]
    for managed in pair:
        assert {p.device.type for p in managed.model.parameters()} == {"cpu"}, "loaded before it is needed"
        for _ in range(2):
            model = managed.load(2**30)
            assert {p.device.type for p in model.parameters()} == {"meta"}, f"{state}: left behind"

# With no memory free, a request unloads all it does not ask for; here that would raise, as there is no data to move.
management.current_loaded_models.clear()
management.get_free_memory = lambda device=None, torch_free_too=False: (0, 0) if torch_free_too else 0
models = loaders.load_encoder(loaders.DEFAULT_ENCODER), loaders.load_decoder(loaders.DEFAULT_DECODER)
pair = [loaders.host.ManagedModel(model) for model in models]
loaders.host.load_together(pair, 2**30)
for managed in pair:
    assert {p.device.type for p in managed.model.parameters()} == {"meta"}, "one made room for the other"
print("every weight is on the device")
"""


def test_all_weights_reach_the_device():
    found = find_comfyui()
    if isinstance(found, str):
        skip(found)
    comfyui, python = found
    run = subprocess.run([python, "-c", SCRIPT, str(ROOT)], cwd=comfyui, capture_output=True, text=True, timeout=120)
    assert "every weight is on the device" in run.stdout, run.stderr[-2000:]
