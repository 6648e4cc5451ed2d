"""The oldest Python and PyTorch that this package works with."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version

from .errors import AdaINError

PYTHON = (3, 10)
PYTORCH = (2, 5)  # has torch.OutOfMemoryError and torch.amp for every device


def check_versions() -> None:
    """Raises AdaINError for older ones, saying what to install, before anything else fails in their place."""
    if sys.version_info[:2] < PYTHON:
        raise AdaINError(f"Python: expected {_text(PYTHON)} or newer, found {_text(sys.version_info[:2])}")
    try:
        found = version("torch")
    except PackageNotFoundError:  # built by hand, or missing, which its import says
        return
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:2])
    if numbers < PYTORCH:
        raise AdaINError(f"PyTorch: expected {_text(PYTORCH)} or newer, found {found}: 'pip install -U torch'")


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
