"""The library is what its script makes."""

from __future__ import annotations

import numpy as np

from adain_core import load_style
from adain_core.models.style_library import LIBRARY
from benchmarks import procedural_art
from benchmarks.make_style_library import PAINTED


def test_the_files_are_those_of_the_script():
    names = {path.stem for path in LIBRARY.iterdir()}
    assert names == {*PAINTED, *procedural_art.DRAWINGS}
    for name, (_, title, painter, died) in PAINTED.items():
        info = load_style(LIBRARY / f"{name}.safetensors").info
        assert (info["name"], info["author"]) == (title, painter)
        assert info["license"] == f"public domain; the painter died in {died}"
        assert died < 1955


def test_drawings_are_the_same_each_time(monkeypatch):
    monkeypatch.setattr(procedural_art, "SIDE", 256)
    for name in procedural_art.DRAWINGS:
        one, other = (np.asarray(procedural_art.drawn(name)) for _ in range(2))
        assert one.shape == (256, 256, 3)
        assert (one == other).all()
        assert one.std() > 20, "something is to be seen"
