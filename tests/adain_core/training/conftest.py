"""What the tests of training share."""

from __future__ import annotations

import pytest

from adain_core.models.bundled import VGG19_DECODER, VGG19_ENCODER
from adain_core.models.model_files import load_decoder, load_encoder
from tests.adain_core.pictures import write_pictures


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Six photographs and five paintings."""
    base = tmp_path_factory.mktemp("images")
    return write_pictures(base / "content", 6), write_pictures(base / "style", 5, seed=1)


@pytest.fixture
def encoder():
    return load_encoder(VGG19_ENCODER)


@pytest.fixture
def start():
    return load_decoder(VGG19_DECODER)
