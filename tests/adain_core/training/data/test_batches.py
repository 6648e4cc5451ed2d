"""Batches by threads, by worker processes, and shared between processes."""

from __future__ import annotations

import multiprocessing
import shutil
import time

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.images.folders import list_images
from adain_core.training.config import TrainingConfig
from adain_core.training.data.batches import _unless_left, stream
from adain_core.training.data.image_sets import TrainingImages
from adain_core.training.data.samples import Pairs
from tests.adain_core.pictures import write_pictures
from tests.adain_core.training.runs import TINY


def config(**values):
    return TrainingConfig(**({"batch_size": 4, "crop_sizes": ((0, 32),), "resize": (32, 48)} | values))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("images")
    return write_pictures(base / "content", 7), write_pictures(base / "style", 5, seed=1)


def pairs(folders, **values):
    return Pairs(*(list_images(folder) for folder in folders), config(**values))


def same(first, second):
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("content", "style", "identity"))


@pytest.mark.parametrize("augment", [False, True])
def test_worker_processes_and_threads_give_the_same(folders, augment):
    source = pairs(folders, augment_styles=augment, identity_share=0.25)
    by_threads = list(stream(source, range(3), workers=0))
    by_processes = list(stream(source, range(3), workers=2))
    assert len(by_threads) == len(by_processes) == 3
    assert all(same(a, b) for a, b in zip(by_threads, by_processes, strict=True))
    assert by_threads[0].content.shape == (4, 3, 32, 32)
    assert 0 <= by_threads[0].style.min() <= by_threads[0].style.max() <= 1


def test_starting_later_gives_what_would_have_come(folders):
    source = pairs(folders)
    whole = list(stream(source, range(5), workers=0))
    assert all(same(a, b) for a, b in zip(whole[3:], stream(source, range(3, 5), workers=0), strict=True))


def test_processes_share_each_batch(folders):
    source = pairs(folders, identity_share=0.5)
    whole = next(iter(stream(source, range(1), workers=0)))
    parts = [next(iter(stream(source, range(1), workers=0, rank=rank, world=2))) for rank in (0, 1)]
    for name in ("content", "style", "identity"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))


def test_too_little_shared_memory_is_said_before_the_first_batch(folders, monkeypatch):
    usage = shutil.disk_usage("/")
    # Two workers, three batches each, of 4 samples of two 32x32 crops with 12 bytes a pixel.
    needed = 2 * 3 * 4 * 2 * 32 * 32 * 12
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
    with pytest.raises(AdaINError, match=r"shared memory in /dev/shm for 2 processes, found \d; use --workers 0"):
        next(stream(pairs(folders), range(1), workers=2))
    assert next(stream(pairs(folders), range(1), workers=0)).content.shape[0] == 4
    # Four processes of torchrun have the same memory: here each of them sees room for itself alone.
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed))
    with pytest.raises(AdaINError, match=r"shared memory in /dev/shm for 8 processes"):
        next(stream(pairs(folders), range(1), workers=2))


def test_skipped_files_are_reported_from_worker_processes(folders, tmp_path):
    folder = write_pictures(tmp_path / "content", 3)
    (folder / "broken.png").write_bytes(b"")
    batches = list(stream(pairs((folder, folders[1])), range(2), workers=1))
    assert list(batches[-1].skipped) == [str(folder / "broken.png")]


class Hanging(Pairs):
    """A file system that no longer answers, from the second batch on."""

    def __getitem__(self, number):
        if number >= 4:
            time.sleep(1000)
        return super().__getitem__(number)


@pytest.mark.slow
def test_workers_that_hang_are_ended_when_nobody_waits_any_more(folders):
    before = multiprocessing.active_children()
    batches = stream(Hanging(*(list_images(folder) for folder in folders), config()), range(9), workers=2)
    next(batches)
    workers = set(multiprocessing.active_children()).difference(before)
    assert len(workers) == 2
    batches.close()
    assert not any(worker.is_alive() for worker in workers)


@pytest.mark.slow
def test_what_a_worker_process_finds_is_one_line(tmp_path):
    """PyTorch puts the worker's traceback before it."""
    folders = write_pictures(tmp_path / "content", 3), write_pictures(tmp_path / "style", 3, seed=1)
    images = TrainingImages.read(*folders, TINY)
    for path in list_images(folders[0]):
        path.write_bytes(b"nothing of an image")
    with pytest.raises(AdaINError, match=r"expected usable images, found \d+ that are not") as caught:
        next(stream(images.pairs, range(3), 1))
    assert "Traceback" not in str(caught.value)
    assert "\\n" not in str(caught.value)


def test_a_trainer_that_leaves_while_it_is_handed_a_batch_is_no_fault_of_its_worker(capsys):
    for error in (ConnectionResetError("gone"), EOFError()):
        _unless_left(type(error), error, None)
    assert capsys.readouterr().err == ""
    _unless_left(ValueError, ValueError("a fault"), None)
    assert "ValueError: a fault" in capsys.readouterr().err
