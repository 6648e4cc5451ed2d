"""Locks as they are on Windows; tests/faults has those between real processes."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from adain_core import locks
from adain_core.errors import AdaINError


@pytest.fixture
def windows_locks(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "O_TEMPORARY", getattr(os, "O_TEMPORARY", 0), raising=False)
    spec = importlib.util.spec_from_file_location("adain_core.windows_locks", locks.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_folder_that_one_is_in_can_be_locked(windows_locks, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    lock = windows_locks.FolderLock(Path("."))
    with pytest.raises(AdaINError, match="another process is writing there"):
        windows_locks._locked(tmp_path / "run")
    assert not list(Path(".").iterdir())
    lock.release()
