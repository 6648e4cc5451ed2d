"""What a process occupies, and how that is told."""

from __future__ import annotations

import csv
import mmap
import os

import psutil
from PIL import Image

from tests.load.use_curve import Use, report, save, use_of


def test_open_files_and_memory_are_seen(tmp_path):
    process = psutil.Process(os.getpid())
    before = use_of(process, 1)
    # Pages of its own: an allocator may have as many left from what was freed before.
    with (tmp_path / "file").open("w"), mmap.mmap(-1, 64 << 20) as held:
        for at in range(0, len(held), mmap.PAGESIZE):
            held[at] = 1
        after = use_of(process, 2)
    assert after.files == before.files + 1
    assert 50 < after.memory - before.memory < 80


def test_growth_is_told_from_where_it_settled():
    uses = [Use(0, 10.0, 3), *(Use(k, 100 + 0.002 * k, 7) for k in range(50, 1050, 50))]
    memory, files = report(uses, 50, "prompts").splitlines()
    assert memory == "MiB: 100 after 50 prompts, 102 after 1000, at most 102, straight line +2.0 per 1,000 prompts"
    assert files.startswith("open files: 7 after 50 prompts, 7 after 1000, at most 7")


def test_the_curve_is_kept(tmp_path):
    save(tmp_path / "curve", [Use(1, 100.04, 3), Use(2, 101.0, 4)], "frames")
    with (tmp_path / "curve.csv").open() as file:
        assert list(csv.reader(file)) == [["frames", "MiB", "open files"], ["1", "100.0", "3"], ["2", "101.0", "4"]]
    with Image.open(tmp_path / "curve.png") as image:
        assert image.getcolors() is not None
