"""What `import adain_core` gives: these names and no others, without PyTorch before one is asked for."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys

import pytest

import adain_core
from tests.conftest import ROOT

NAMES = {
    "AdaINError": "errors",
    "Features": "method.features",
    "Style": "method.style",
    "Stylizer": "inference.stylizer",
    "evaluate": "training.evaluation",
    "extrapolate": "method.style_arithmetic",
    "fit_bank": "training.fit_style",
    "fit_style": "training.fit_style",
    "load_style": "models.style_files",
    "match_color": "images.color",
    "mix": "method.style",
    "save_style": "models.style_files",
    "train": "training.train",
}

# In a process of its own: here the tests have imported much already.
FRESH = """
import sys, types, adain_core
print("torch" in sys.modules)
for name in adain_core.__all__:
    getattr(adain_core, name)
found = vars(adain_core).items()
print(*sorted(name for name, value in found if not name.startswith("_") and not isinstance(value, types.ModuleType)))
"""


@pytest.mark.slow
def test_the_names_and_nothing_else_without_pytorch_at_first():
    result = subprocess.run([sys.executable, "-c", FRESH], cwd=ROOT, capture_output=True, text=True, check=True)
    torch_at_once, names = result.stdout.splitlines()
    assert torch_at_once == "False"
    assert names.split() == sorted(NAMES) == sorted(adain_core.__all__)
    assert dir(adain_core) == sorted([*NAMES, "__version__"])


@pytest.mark.parametrize(("name", "module"), NAMES.items())
def test_each_name_is_its_modules(name, module):
    assert getattr(adain_core, name) is getattr(importlib.import_module(f"adain_core.{module}"), name)


def test_other_names_are_refused():
    assert not hasattr(adain_core, "Stylist")
    with pytest.raises(ImportError, match="Stylist"):
        from adain_core import Stylist  # noqa: F401


def test_the_version_is_the_projects_however_the_pack_is_loaded(pack):
    (version,) = re.findall(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert adain_core.__version__ == version
    # As ComfyUI has it: a folder under another name, nothing installed.
    assert importlib.import_module(f"{pack.__name__}.adain_core").__version__ == version
