"""What may come of a case: a right result, or one line that names the file and the problem."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

_LONGEST = 1500  # characters of an error's line


def result_or_line(named: str, call: Callable[[], T]) -> T | None:
    """What a call gives; None if it ends in a line that has the name in it. Any other exception is a finding."""
    try:
        return call()
    except ValueError as error:
        # By its name: the pack under test and the core are two packages, each with a class of its own.
        if type(error).__name__ not in ("AdaINError", "UnsupportedTraining", "TrainingDiverged"):
            raise
        text = str(error)
        assert named in text, f"{named} is not named in: {text}"
        assert len(text.splitlines()) == 1, f"more than a line: {text}"
        assert len(text) <= _LONGEST, f"a line of {len(text)} characters: {text[:_LONGEST]}"
        return None


@contextmanager
def file_of(data: bytes, name: str):
    """A file of that content in a folder of its own, in which nothing else may be afterwards."""
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        yield path
        assert [each.name for each in Path(folder).iterdir()] == [name]
        assert path.read_bytes() == data


def check_pixels(pixels: Tensor, low: float = 0.0, high: float = 1.0) -> None:
    """Asserts that pixels are numbers in the range."""
    assert pixels.dtype == torch.float32
    assert pixels.numel() > 0
    assert low <= float(pixels.min())
    assert float(pixels.max()) <= high
