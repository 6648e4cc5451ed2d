"""Kernels are chosen by measuring them, once for each class of shapes and machine."""

from __future__ import annotations

import json
import time

import pytest
import torch

from adain_core import AdaINError
from adain_core.inference.fast import kernel_choice
from adain_core.inference.fast.kernel_choice import faster_than_direct, prefer_direct_kernels

X = torch.zeros(1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ADAIN_KERNELS", "measured")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    forget(monkeypatch)
    return tmp_path / "adain_kernels.json"


def forget(monkeypatch):
    """As in a new process."""
    monkeypatch.setattr(kernel_choice, "_known", {})
    monkeypatch.setattr(kernel_choice, "_read", set())


def slow(x):
    time.sleep(0.02)
    return x


def quick(x):
    return x


def never(x):
    raise AssertionError("measured again")


def test_the_faster_kernel_is_chosen_and_kept(cache, monkeypatch):
    assert faster_than_direct((256, 128, 64), X, slow, quick)
    assert not faster_than_direct((256, 128, 128), X, quick, slow)
    assert faster_than_direct((256, 128, 64), X, never, never)
    forget(monkeypatch)
    assert faster_than_direct((256, 128, 64), X, never, never), "kept in the file"
    assert list(json.loads(cache.read_text()).values()) == [True, False]


def test_another_number_of_threads_is_measured_anew():
    threads = torch.get_num_threads()
    faster_than_direct((1, 1, 1), X, quick, slow)
    try:
        torch.set_num_threads(threads + 1)
        assert faster_than_direct((1, 1, 1), X, slow, quick)
    finally:
        torch.set_num_threads(threads)
    assert not faster_than_direct((1, 1, 1), X, never, never)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"a": '])
def test_a_broken_file_is_replaced(cache, content):
    cache.write_text(content)
    assert faster_than_direct((1, 1, 1), X, slow, quick)
    assert list(json.loads(cache.read_text()).values()) == [True]


def test_a_folder_that_cannot_be_written_costs_only_the_memory_of_it(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "file/hub"))
    assert faster_than_direct((1, 1, 1), X, slow, quick)
    assert faster_than_direct((1, 1, 1), X, never, never)


def test_switched_off_nothing_is_measured(cache, monkeypatch):
    monkeypatch.setenv("ADAIN_KERNELS", "direct")
    assert not faster_than_direct((1, 1, 1), X, never, never)
    assert not cache.exists()


def test_preferred_direct_kernels_give_way_to_the_variable(monkeypatch):
    prefer_direct_kernels()
    assert faster_than_direct((1, 1, 1), X, slow, quick), "the variable says measured"
    monkeypatch.delenv("ADAIN_KERNELS")
    prefer_direct_kernels()
    assert not faster_than_direct((1, 1, 1), X, never, never)


def test_an_unknown_mode_is_said(monkeypatch):
    monkeypatch.setenv("ADAIN_KERNELS", "fastest")
    with pytest.raises(AdaINError, match="ADAIN_KERNELS: expected one of measured, direct, found 'fastest'"):
        faster_than_direct((1, 1, 1), X, never, never)
