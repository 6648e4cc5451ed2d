"""float64 on devices that have none."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from adain_core.method import float64
from tests.adain_core.other_device import DEVICE, SimulatedDevice


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(float64, "_known", [])
    monkeypatch.setattr(float64, "_tried", cache(float64._tried.__wrapped__))


def test_the_simulated_device_refuses():
    with SimulatedDevice():
        x = torch.rand(1, 2, 5, 6).to(DEVICE)
        assert x.device == DEVICE
        with pytest.raises(TypeError, match="no float64"):
            x.double()
        with pytest.raises(TypeError, match="no float64"):
            torch.zeros(1, dtype=torch.float64, device=DEVICE)
        with pytest.raises(RuntimeError, match="divisible"):
            torch.nn.functional.adaptive_avg_pool2d(x, 4)
        assert (x + x).device == DEVICE
        assert (x + x).cpu().device.type == "cpu"


def test_without_float64_the_cpu_computes():
    with SimulatedDevice():
        assert not float64.has_float64(DEVICE)
        wide = float64.widened(torch.ones(3).to(DEVICE))
    assert wide.device.type == "cpu"
    assert wide.dtype == torch.float64


def test_a_host_that_knows_its_devices_is_asked_and_its_no_is_not_tried(monkeypatch):
    asked = []
    monkeypatch.setattr(float64, "_tried", lambda device: True)
    xpu = torch.device("xpu")
    assert float64.has_float64(xpu)
    float64.ask(lambda device: asked.append(device) or False)
    assert not float64.has_float64(xpu)
    assert asked == [xpu]
    assert float64.has_float64(torch.device("cpu")), "the CPU always has it"
