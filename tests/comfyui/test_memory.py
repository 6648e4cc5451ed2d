"""ComfyUI's memory states, on a device that has no data: only where the weights go can be seen."""

from __future__ import annotations

import subprocess

from .server import ROOT, Installation

# Runs in ComfyUI's Python. "meta" stands for a GPU; it is never computed on.
START = """
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
host = loaders.host
encoder, decoder = loaders.bundled_pair("vgg19")
"""

WEIGHTS = """
for state in ("NO_VRAM", "LOW_VRAM", "NORMAL_VRAM", "HIGH_VRAM"):
    management.vram_state = management.VRAMState[state]
    models = loaders.load_encoder(encoder), loaders.load_decoder(decoder)
    pair = [loaders.host.ManagedModel(model) for model in models]
    for managed in pair:
        assert {p.device.type for p in managed.model.parameters()} == {"cpu"}, "loaded before it is needed"
        for _ in range(2):
            model = managed.load(2**30)
            assert {p.device.type for p in model.parameters()} == {"meta"}, f"{state}: left behind"

# With no memory free, a request unloads all it does not ask for; here that would raise, as there is no data to move.
management.current_loaded_models.clear()
management.get_free_memory = lambda device=None, torch_free_too=False: (0, 0) if torch_free_too else 0
models = loaders.load_encoder(encoder), loaders.load_decoder(decoder)
pair = [loaders.host.ManagedModel(model) for model in models]
loaders.host.load_together(pair, 2**30)
for managed in pair:
    assert {p.device.type for p in managed.model.parameters()} == {"meta"}, "one made room for the other"
print("every weight is on the device")
"""


ANSWERS = """
# What dynamic models could give back counts as free, where the patcher knows it (0.33).
managed = host.ManagedModel(loaders.load_encoder(encoder))
patcher = type(managed._patcher)
if hasattr(patcher, "get_free_memory"):
    patcher.get_free_memory = lambda self, device: 2**41
    assert managed.available_memory() == int(2**41 * 0.7)
else:
    assert managed.available_memory() == int(2**40 * 0.7)

# Errors that only ComfyUI knows, and none that are something else.
assert host.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
assert not host.is_out_of_memory(RuntimeError("tensors on two devices"))
if hasattr(management, "is_oom"):
    cleared = []
    management.discard_cuda_async_error = lambda: cleared.append(1)
    error = management.ACCELERATOR_ERROR("CUDA error: unspecified")
    error.error_code = 2
    assert host.is_out_of_memory(error) and cleared == [1]

# Which devices have float64.
float64 = sys.modules["pack.adain_core.method.float64"]
if hasattr(management, "supports_fp64"):
    float64._tried = lambda device: True
    assert float64.has_float64(torch.device("xpu"))
    management.is_intel_xpu = lambda: True
    assert not float64.has_float64(torch.device("xpu")), "asked each time"

# The cache that drops results when memory is short weighs features by their tensors.
import comfy_execution.caching as caching
if hasattr(caching, "RAMPressureCache"):
    from types import SimpleNamespace
    features = sys.modules["pack.adain_core.method.features"].Features(torch.zeros(1, 512, 64, 64), (512, 512), "e")
    features.statistics
    outputs = {"features": [[features]], "style": [[features.style]]}
    cache = object.__new__(caching.RAMPressureCache)
    cache.generation, cache.children = 1, {}
    cache.cache = {key: SimpleNamespace(outputs=value) for key, value in outputs.items()}
    cache.used_generation, cache.timestamps = dict.fromkeys(outputs, 0), dict.fromkeys(outputs, 0.0)
    freed = cache.ram_release(2**60, min_entry_size=2**20)
    assert list(cache.cache) == ["style"], "nothing large was found in features"
    assert freed >= 512 * 64 * 64 * 4
print("as ComfyUI says")
"""


def run_inside(installation: Installation, script: str) -> subprocess.CompletedProcess:
    command = [installation.python, "-c", START + script, str(ROOT)]
    return subprocess.run(command, cwd=installation.folder, capture_output=True, text=True, timeout=120)


def test_all_weights_reach_the_device(installation):
    run = run_inside(installation, WEIGHTS)
    assert "every weight is on the device" in run.stdout, run.stderr[-2000:]


def test_comfyuis_own_answers_about_memory_and_devices_are_used(installation):
    run = run_inside(installation, ANSWERS)
    assert "as ComfyUI says" in run.stdout, run.stderr[-2000:]
