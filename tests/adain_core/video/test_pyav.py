"""PyAV missing, too old, and what its errors mean."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from adain_core import AdaINError
from adain_core.video.pyav import import_av, raise_unless_damaged


def test_without_pyav(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AdaINError, match="video: PyAV is not installed; 'pip install av' installs it"):
        import_av()


def test_an_old_pyav(monkeypatch):
    av = pytest.importorskip("av")
    monkeypatch.setattr(av, "__version__", "14.2.0")
    with pytest.raises(AdaINError, match=r"video: expected PyAV 18 or newer, found 14\.2\.0; 'pip install -U av'"):
        import_av()


def test_damage_is_told_from_other_errors():
    av = pytest.importorskip("av")
    for damage in (av.InvalidDataError(1, "Invalid data"), av.EOFError(1, "End of file")):
        raise_unless_damaged(damage, Path("clip.mp4"))
    with pytest.raises(AdaINError, match=r"clip\.mp4: reading failed \(Input/output error\)"):
        raise_unless_damaged(av.error.OSError(5, "Input/output error"), Path("clip.mp4"))
