"""A few hundred cases of the fuzz run, the same each time; ``python -m tests.fuzz.run`` tries as many as it is told."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

pytest.importorskip("av", reason="some cases are videos")

from .targets import TARGETS

_CASES = 320  # of all kinds together


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_a_right_result_or_one_line(name, single_thread):
    target = TARGETS[name]
    count = max(4, _CASES * target.share // sum(each.share for each in TARGETS.values()))
    limits = settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    limits(given(target.cases)(target.check))()
