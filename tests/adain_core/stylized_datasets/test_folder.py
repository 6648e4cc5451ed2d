"""The folder of a stylized data set: temporary files that are removed, and those that are not."""

from __future__ import annotations

import os
import time

from adain_core.stylized_datasets.folder import remove_partial_files
from adain_core.stylized_datasets.plan import Settings


def test_only_old_temporary_files_of_outputs_are_removed(tmp_path):
    out, now = tmp_path / "out", time.time()
    ages = {
        ".a-stylized-1-old.abcd1234.png": 10,
        "deep/.a-stylized-1-old.abcd1234.png": 10,
        ".batch.abcd1234.json": 10,
        ".a-stylized-1-new.abcd1234.png": -10,  # being written by another run
        "a-stylized-1-done.png": 10,
        ".a-stylized-1-mine.png": 10,
        ".holiday.abcd1234.png": 10,
    }
    for name, age in ages.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"half")
        os.utime(out / name, (now - age,) * 2)
    remove_partial_files(Settings(tmp_path / "content", tmp_path / "style", out, format="png"), now)
    left = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert left == set(list(ages)[3:])
