"""What a process occupies while it works through many things: resident memory and open files."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch

from adain_core.images.files import Picture, save_picture, to_tensor
from benchmarks.line_plot import Line, line_plot
from tests.conftest import ROOT


@dataclass(frozen=True)
class Use:
    """After so many things: MiB of resident memory, and open files and sockets (on Windows: handles)."""

    done: int
    memory: float
    files: int


def use_of(process: psutil.Process, done: int) -> Use:
    """What a process and those it started occupy now."""
    memory = files = 0
    for each in (process, *process.children(recursive=True)):
        try:
            memory += each.memory_info().rss
            files += each.num_handles() if psutil.WINDOWS else each.num_fds()
        except psutil.NoSuchProcess:  # ended meanwhile
            continue
    return Use(done, memory / 2**20, files)


def watched(command: Sequence[object], done: Callable[[], int]) -> list[Use]:
    """Runs ``python -m adain_core ...``; what it occupied each second that there was more done."""
    words = [sys.executable, "-m", "adain_core", *map(str, command)]
    uses: list[Use] = []
    with tempfile.TemporaryFile() as log, subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log) as running:
        process = psutil.Process(running.pid)
        while running.poll() is None:
            number = done()
            if number and (not uses or number > uses[-1].done):
                uses.append(use_of(process, number))
            time.sleep(1)
        if running.returncode:
            log.seek(0)
            raise SystemExit(log.read().decode(errors="replace"))
    return [use for use in uses if use.files]  # without one of a process that had just ended


def report(uses: Sequence[Use], settled: int, what: str) -> str:
    """One line for memory and one for files, of what came after ``settled`` things, by when all that is kept was made.

    Args:
        uses: in order.
        settled: how many things.
        what: they are called.
    """
    later = [use for use in uses if use.done >= settled]
    lines = []
    for title, values in (("MiB", [use.memory for use in later]), ("open files", [use.files for use in later])):
        slope = np.polyfit([use.done for use in later], values, 1)[0] if len(later) > 1 else 0.0
        lines.append(
            f"{title}: {values[0]:.0f} after {later[0].done} {what}, {values[-1]:.0f} after {later[-1].done}, at most "
            f"{max(values):.0f}, straight line {1000 * slope:+.1f} per 1,000 {what}"
        )
    return "\n".join(lines)


def save(path: Path, uses: Sequence[Use], what: str) -> None:
    """Writes PATH.csv and PATH.png: memory over what was done, and below it open files."""
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((what, "MiB", "open files"))
        writer.writerows((use.done, round(use.memory, 1), use.files) for use in uses)
    done = [use.done for use in uses]
    curves = {
        "resident memory, MiB": Line(done, [use.memory for use in uses]),
        "open files": Line(done, [use.files for use in uses]),
    }
    plots = [to_tensor(line_plot({name: curve}, what, name)) for name, curve in curves.items()]
    save_picture(path.with_suffix(".png"), Picture(torch.cat(plots, dim=2)))
