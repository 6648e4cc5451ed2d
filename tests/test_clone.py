"""The tests run in a clone whose folder has the repository's name, which is no Python name."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from .conftest import ROOT


@pytest.mark.slow
def test_run_in_a_folder_that_is_no_python_name(tmp_path):
    clone = tmp_path / "adain-style-transfer"
    test = "tests/adain_core/test_errors.py"
    for name in ("__init__.py", "pyproject.toml", "tests/__init__.py", "tests/conftest.py", test):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    for name in ("adain_core", "nodes"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test)
    result = subprocess.run(command, cwd=clone, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
