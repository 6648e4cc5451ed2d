"""Copies between devices: on the CPU for real, on CUDA as the order of what is asked of it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from adain_core.inference.gpu_copies import from_device, to_device


def test_parts_arrive_in_order_one_at_a_time():
    asked = []

    def parts():
        for k in range(3):
            asked.append(k)
            yield f"part {k}", torch.full((1, 2, 3, 4), float(k))

    cpu = torch.device("cpu")
    for k, (name, x) in enumerate(from_device(to_device(parts(), cpu, torch.float64), cpu, cpu)):
        assert name == f"part {k}"
        assert asked == list(range(k + 1))
        assert (x == k).all()
        assert x.dtype == torch.float64
        assert x.is_contiguous(memory_format=torch.channels_last)


class Log(list):
    """With the kind of part that writes into it."""

    part: type


@pytest.fixture
def log(monkeypatch):
    """CUDA's streams, writing down what they are asked for."""
    log, active = Log(), ["computing"]

    class Stream:
        def __init__(self, name):
            self.name = name

        def record_event(self):
            last = log[-1]
            log.append(f"event on {self.name}")
            return last

        def wait_event(self, event):
            log.append(f"{self.name} waits for: {event}")

    @contextmanager
    def stream(one):
        active.append(one.name)
        yield
        active.pop()

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("copies"))
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(active[-1]))

    class Part:
        def __init__(self, name, device="cpu"):
            self.name, self.device, self.dense = name, torch.device(device), False

        def contiguous(self, memory_format):
            self.dense = memory_format == torch.channels_last
            return self

        def pin_memory(self):
            assert self.dense, "PyTorch refuses tensors that `expand` has repeated"
            return self

        def to(self, device, *types, non_blocking=False, **format):
            if non_blocking or device.type == "cpu":
                log.append(f"{self.name} to {device.type} on {active[-1]}")
            return self

        def record_stream(self, stream):
            log.append(f"{self.name} used on {stream.name}")

    log.part = Part
    return log


def test_on_cuda_each_copy_starts_before_the_part_before_it_is_computed(log):
    for name, x in to_device(((name, log.part(name)) for name in "ab"), torch.device("cuda"), torch.float16):
        assert x.name == name
        log.append(f"compute {name}")
    assert log == [
        "a to cuda on copies",
        "event on copies",
        "b to cuda on copies",
        "event on copies",
        "computing waits for: a to cuda on copies",
        "a used on computing",
        "compute a",
        "computing waits for: b to cuda on copies",
        "b used on computing",
        "compute b",
    ]


def test_what_is_on_the_gpu_already_is_not_copied(log):
    parts = [(name, log.part(name, "cuda")) for name in "ab"]
    assert [name for name, _ in to_device(parts, torch.device("cuda"), torch.float16)] == ["a", "b"]
    assert log == []


def test_from_cuda_each_copy_starts_after_the_next_part_is_given_to_the_gpu(log):
    def computed():
        for name in "ab":
            log.append(f"compute {name}")
            yield name, log.part(name, "cuda")

    for name, x in from_device(computed(), torch.device("cuda"), torch.device("cpu")):
        assert x.name == name
        log.append(f"write {name}")
    assert log == [
        "compute a",
        "event on computing",
        "compute b",
        "event on computing",
        "copies waits for: compute a",
        "a to cpu on copies",
        "write a",
        "copies waits for: compute b",
        "b to cpu on copies",
        "write b",
    ]
