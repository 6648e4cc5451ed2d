"""Versions that are too old are said before anything fails in their place."""

from __future__ import annotations

import sys

import pytest

from adain_core import AdaINError, versions
from adain_core.cli.main import main


@pytest.mark.parametrize("found", ["2.5.0", "2.14.1+cu130", "3.0.0a0+git1234"])
def test_new_enough(monkeypatch, found):
    monkeypatch.setattr(versions, "version", lambda _: found)
    versions.check_versions()


@pytest.mark.parametrize("found", ["2.4.1+cu121", "1.13.0"])
def test_an_old_pytorch(monkeypatch, capsys, found):
    monkeypatch.setattr(versions, "version", lambda _: found)
    with pytest.raises(AdaINError, match=r"PyTorch: expected 2\.5 or newer, found"):
        versions.check_versions()
    assert main(["stylize"]) == 2
    assert capsys.readouterr().err.startswith("error: PyTorch: expected 2.5 or newer, found")


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(AdaINError, match=r"Python: expected 3\.10 or newer, found 3\.9"):
        versions.check_versions()
