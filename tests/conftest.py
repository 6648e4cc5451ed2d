"""What the tests share: the pack loaded as ComfyUI loads it, the example images, the bundled models."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
PACK = "adain_pack_under_test"


# Before any kernel is chosen, in this process and those it starts: results must not depend on measurements.
os.environ["ADAIN_KERNELS"] = "direct"

# Everywhere the same: on a GPU half precision is the default, and sums come in another order every time.
os.environ["CUDA_VISIBLE_DEVICES"] = ""


# Where pytest-xdist runs tests side by side, each worker has one core.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def load_pack() -> ModuleType:
    """The pack as a package of its own name, the way ComfyUI's load_custom_node imports it."""
    if PACK not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[PACK] = module
        spec.loader.exec_module(module)
    return sys.modules[PACK]


@pytest.fixture(scope="session")
def pack() -> ModuleType:
    return load_pack()


@pytest.fixture(scope="session")
def examples() -> Path:
    return ROOT / "examples"


@pytest.fixture
def single_thread():
    """Tiny work on several threads is mostly waiting for each other, the more so on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
