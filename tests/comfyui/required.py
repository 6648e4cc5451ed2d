"""Skipping where there is no ComfyUI or no browser, and failing where there must be one."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

VARIABLE = "ADAIN_REQUIRE_COMFYUI"


def skip(reason: str) -> NoReturn:
    """Skips the test or fixture; fails it where the variable is set, so that nothing is skipped unnoticed."""
    if os.environ.get(VARIABLE):
        pytest.fail(f"{reason} ({VARIABLE} is set)")
    pytest.skip(reason)
