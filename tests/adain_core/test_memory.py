"""Free memory within a process group's limit."""

from __future__ import annotations

import mmap
from types import SimpleNamespace

import psutil
import pytest
import torch

from adain_core import memory

CPU = torch.device("cpu")


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Writes the files of a group that may use 2 GiB, far less than the machine has."""
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 << 30))

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"memory.{name}").write_text(f"{text}\n")

    return write


def test_files_in_the_cache_count_as_free(group):
    group(max=2 << 30, current=1800 << 20, stat=f"anon {700 << 20}\ninactive_file {1000 << 20}\nactive_file 5")
    assert memory.free_memory(CPU) == (2048 - 1800 + 1000) << 20


def test_without_statistics_of_the_cache(group):
    group(max=2 << 30, current=1800 << 20)
    assert memory.free_memory(CPU) == 248 << 20
    group(stat="inactive_file")
    assert memory.free_memory(CPU) == 248 << 20


def test_never_below_0_nor_above_the_machines(group):
    group(max=1 << 30, current=1800 << 20)
    assert memory.free_memory(CPU) == 0
    group(max=1 << 50)
    assert memory.free_memory(CPU) == 64 << 30


def test_a_group_without_limit(group):
    group(max="max", current=1800 << 20)
    assert memory.free_memory(CPU) == 64 << 30


def test_the_process_occupies_what_the_system_says():
    size = 64 << 20
    with mmap.mmap(-1, size) as block:  # given back at once; an allocator may keep what is freed
        block.write(bytes(size))
        with_block = memory.resident_memory()
    assert with_block > size
    assert memory.resident_memory() < with_block


def test_what_an_allocator_says_when_memory_is_used_up():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert memory.is_out_of_memory(caught.value)
    assert not memory.is_out_of_memory(RuntimeError("expected scalar type Float"))


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_what_nvidias_libraries_say(text):
    assert memory.is_out_of_memory(RuntimeError(text))
