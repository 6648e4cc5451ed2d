"""The table of speed."""

from __future__ import annotations

import torch

from adain_core import Stylizer
from benchmarks import speed


def test_every_stage_runs(single_thread):
    times = speed.stages(Stylizer.load(device="cpu", pair="light"), 16, 1)
    assert len(times) == len(speed.COLUMNS)
    assert min(times) > 0


def test_the_device_is_named():
    name = speed.device_name(torch.device("cpu"))
    assert f"{torch.get_num_threads()} of " in name
    assert not name.startswith(",")
    assert torch.__version__ in speed.versions(torch.device("cpu"))
