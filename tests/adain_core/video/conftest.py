"""What the tests of videos share."""

from __future__ import annotations

import pytest

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.video import job as video_job


@pytest.fixture(scope="session")
def stylizer():
    return Stylizer.load(device="cpu")


@pytest.fixture(scope="session")
def styles(examples):
    names = ("starry_night", "safe_landing")
    return [load_picture(examples / f"style_{name}.jpg").pixels[:, :, ::8, ::8] for name in names]


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr(video_job, "SEGMENT_FRAMES", 5)
