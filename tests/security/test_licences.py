"""Under which licences the packages are that this one needs, and those that it takes where they are installed."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

# Words of licences that let everybody use, change and pass on what is under them, alone or beside other code.
FREE = re.compile(
    r"MIT|BSD|Apache|Python Software|PSF|ISC|HPND|Zlib|Unlicense|CMU|MPL|Mozilla|LGPL|Lesser General|CC0|Public Domain"
)
# NVIDIA's libraries come with PyTorch on Linux, under terms of their own; they are not part of this package.
OF_PYTORCH = re.compile(r"nvidia-|cuda-|triton")
# Their metadata name no licence; their repositories do.
KNOWN = {"mpmath": "BSD"}


def needed(extras: bool) -> list[str]:
    """The names in requirements.txt, or in the extras of pyproject.toml."""
    if not extras:
        return (ROOT / "requirements.txt").read_text().split()
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (section,) = re.findall(r"\[project\.optional-dependencies\]\n(.*?)\n\n", text, re.DOTALL)
    return re.findall(r'"([^"]+)"', section)


def with_all_below(names: list[str]) -> dict[str, Distribution]:
    """Those packages and all that they need here, by name; not those that are not installed."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        try:
            package = distribution(wanted.name)
        except PackageNotFoundError:
            continue
        name = wanted.name.lower().replace("_", "-")
        if name in found:
            continue
        found[name] = package
        for line in package.requires or ():
            below = Requirement(line)
            extras = [{"extra": extra} for extra in ("", *wanted.extras)]
            if below.marker is None or any(below.marker.evaluate(extra) for extra in extras):
                waiting.append(below)
    return found


def licence_of(package: Distribution) -> str:
    text = [package.metadata.get("License-Expression") or "", (package.metadata.get("License") or "")[:400]]
    classifiers = package.metadata.get_all("Classifier") or []
    return "; ".join([*text, *(line for line in classifiers if line.startswith("License ::"))])


@pytest.mark.parametrize("extras", [False, True], ids=["needed", "optional"])
def test_every_package_is_free(extras):
    packages = with_all_below(needed(extras))
    assert ({"pyvips"} if extras else {"torch", "pillow", "safetensors"}) <= set(packages)
    others = {
        name: licence_of(package)
        for name, package in packages.items()
        if not OF_PYTORCH.match(name) and not FREE.search(KNOWN.get(name, licence_of(package)))
    }
    assert others == {}


def test_a_licence_that_is_not_free_is_told():
    assert not FREE.search("GNU General Public License v3 (GPLv3)")
    assert not FREE.search("NVIDIA Proprietary Software; LicenseRef-Commercial")
    assert FREE.search("License :: OSI Approved :: MIT License")
