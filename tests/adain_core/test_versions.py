"""Versions that are too old are said before anything fails in their place."""

from __future__ import annotations

import sys

import pytest

from adain_core import AdaINError, versions
from adain_core.cli.main import main
from tests.conftest import ROOT


def installed(monkeypatch, **found):
    monkeypatch.setattr(versions, "version", found.__getitem__)


@pytest.mark.parametrize("found", ["2.5.0", "2.14.1+cu130", "3.0.0a0+git1234"])
def test_new_enough(monkeypatch, found):
    installed(monkeypatch, torch=found, pillow="10.3.0")
    versions.check_versions()


@pytest.mark.parametrize("found", ["2.4.1+cu121", "1.13.0"])
def test_an_old_pytorch(monkeypatch, capsys, found):
    installed(monkeypatch, torch=found, pillow="10.3.0")
    with pytest.raises(AdaINError, match=r"PyTorch: expected 2\.5 or newer, found"):
        versions.check_versions()
    assert main(["stylize"]) == 2
    assert capsys.readouterr().err.startswith("error: PyTorch: expected 2.5 or newer, found")


@pytest.mark.parametrize("found", ["10.2.0", "9.5.0.post2"])
def test_an_old_pillow(monkeypatch, found):
    installed(monkeypatch, torch="2.5.1", pillow=found)
    with pytest.raises(AdaINError, match=rf"Pillow: expected 10\.3 or newer, found {found}: 'pip install -U pillow'"):
        versions.check_versions()


def test_the_oldest_pillow_is_what_pip_is_asked_for():
    oldest = "pillow>=" + ".".join(map(str, versions.PILLOW))
    assert oldest in (ROOT / "requirements.txt").read_text().split()
    assert f'"{oldest}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(AdaINError, match=r"Python: expected 3\.10 or newer, found 3\.9"):
        versions.check_versions()
