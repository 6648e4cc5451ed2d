"""Means over pairs, and the number of iterations that come as close."""

from __future__ import annotations

import pytest
import torch

from adain_core.comparison.compare import compare, iterations_like
from adain_core.images.files import load_picture


def mixed(content, style):
    yield "half", (content + style) / 2, 2.0
    yield "style", style, 4.0


def brightness(content, style):
    return lambda picture: {"over the content": float((picture - content).mean())}


def test_means_over_the_pairs(tmp_path):
    content = torch.tensor([0.0, 0.2]).view(2, 1, 1, 1).expand(2, 3, 8, 8)
    style = torch.tensor([0.8, 1.0]).view(2, 1, 1, 1).expand(2, 3, 8, 8)
    seen = []
    rows = compare([mixed], [brightness], content, style, tmp_path, lambda *state: seen.append(state))
    assert list(rows) == ["half", "style"]
    assert rows["half"] == pytest.approx({"seconds": 2.0, "over the content": 0.4}, abs=1 / 255)
    assert rows["style"] == pytest.approx({"seconds": 4.0, "over the content": 0.8}, abs=1 / 255)
    assert seen == [(1, 2), (2, 2)]
    assert load_picture(tmp_path / "1 half.png").pixels.mean() == pytest.approx(0.6, abs=1 / 255)


@pytest.mark.parametrize(("style", "iterations"), [(9.0, 5), (5.0, 10), (4.0, 10 + 10 / 3), (2.0, 20), (1.0, None)])
def test_iterations_between_the_measured_ones(style, iterations):
    rows = {"ours": {"style": style}, "opt 5": {"style": 8.0}, "opt 10": {"style": 5.0}, "opt 20": {"style": 2.0}}
    assert iterations_like(rows, "ours", "opt ") == (None if iterations is None else pytest.approx(iterations))
