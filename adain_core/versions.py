"""The oldest Python, PyTorch and Pillow that this package works with."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version

from .errors import AdaINError

PYTHON = (3, 10)
PYTORCH = (2, 5)  # has torch.OutOfMemoryError and torch.amp for every device
PILLOW = (10, 3)  # has ImageCms.Flags; in pyproject.toml and requirements.txt, too


def check_versions() -> None:
    """Raises AdaINError for older ones, saying what to install, before anything else fails in their place."""
    if sys.version_info[:2] < PYTHON:
        raise AdaINError(f"Python: expected {_text(PYTHON)} or newer, found {_text(sys.version_info[:2])}")
    for package, name, oldest in (("torch", "PyTorch", PYTORCH), ("pillow", "Pillow", PILLOW)):
        try:
            found = version(package)
        except PackageNotFoundError:  # built by hand, or missing, which its import says
            continue
        numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:2])
        if numbers < oldest:
            raise AdaINError(f"{name}: expected {_text(oldest)} or newer, found {found}: 'pip install -U {package}'")


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))
