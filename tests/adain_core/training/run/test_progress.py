"""How far and how fast, in numbers and in words."""

from __future__ import annotations

import pytest

from adain_core.training.run import progress
from adain_core.training.run.progress import Pace, TrainingProgress


def test_in_words():
    losses = {"total": 30.0, "content": 10.0, "style": 2.0}
    assert str(TrainingProgress(5, 100, losses, 2.0, 3723.0)) == (
        "step 5/100  content 10.000  style 2.000  2.00 steps/s  01:02:03 left"
    )
    assert "2 d 00:00:09 left" in str(TrainingProgress(5, 100, losses, 2.0, 2 * 86400 + 9.0))
    assert "loss 0.1250" in str(TrainingProgress(5, 100, {"total": 0.125}, 2.0, 1.0))


def test_pace_is_that_of_the_last_reports(monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    pace = Pace(10)
    now += 4
    assert pace.at(12) == pytest.approx(0.5)
    for step in range(13, 60):  # faster from here on
        now += 0.1
        latest = pace.at(step)
    assert latest == pytest.approx(10)
