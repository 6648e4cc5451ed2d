"""One process, alone or in a group. Two processes: tests/adain_core/cli/test_train.py, by torchrun."""

from __future__ import annotations

import socket

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.models.decoder import Decoder
from adain_core.training.distributed import Processes, start_processes

CPU = torch.device("cpu")


@pytest.fixture
def no_torchrun(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def check_alone(processes):
    decoder = Decoder()
    assert processes.first
    assert processes.wrap(decoder) is decoder
    assert torch.equal(processes.mean(torch.tensor([1.0, 2.0])), torch.tensor([1.0, 2.0]))
    assert (processes.any(True), processes.any(False)) == (True, False)
    assert processes.equal(-1)
    processes.wait()


@pytest.mark.usefixtures("no_torchrun")
def test_without_torchrun_a_process_is_alone():
    with start_processes("cpu") as processes:
        assert processes == Processes(0, 1, CPU)
        check_alone(processes)
        assert not torch.distributed.is_initialized()


def test_a_group_of_one(monkeypatch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with start_processes("cpu") as processes:
        assert torch.distributed.is_initialized()
        check_alone(processes)
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("device", [None, "auto", "cuda", "cuda:0"])
def test_each_process_goes_to_its_own_gpu_before_it_touches_one(monkeypatch, device):
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    touched: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: touched.append(f"set {index}"))
    monkeypatch.setattr(torch, "empty", lambda *shape, device: touched.append(f"empty on {device}"))
    monkeypatch.setattr(torch.distributed, "init_process_group", touched.append)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: None)
    with start_processes(device) as processes:
        assert processes == Processes(3, 4, torch.device("cuda:1"))
    assert touched == ["set 1", "empty on cuda:1", "nccl"]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(AdaINError, match="at most one process per GPU, found 2 GPUs"), start_processes(device):
        pass


def test_batch_normalization_needs_one_process_on_the_cpu():
    with pytest.raises(AdaINError, match="normalization: expected one process for batch normalization on the CPU"):
        Processes(0, 2, CPU).wrap(Decoder(normalization="batch"))
