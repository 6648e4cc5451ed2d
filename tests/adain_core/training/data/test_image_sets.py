"""The images of a training: what is held out, and errors that name the folder."""

from __future__ import annotations

import pytest

from adain_core.errors import AdaINError
from adain_core.training.trainer import Trainer
from tests.adain_core.training.runs import TINY


def test_a_folder_of_broken_images_is_named_as_it_was_given(folders, encoder, tmp_path):
    (tmp_path / "photos/deep").mkdir(parents=True)
    (tmp_path / "photos/deep/broken.png").write_bytes(b"")
    with pytest.raises(AdaINError, match=r"photos: expected usable images, found 1 that are not"):
        Trainer(encoder, TINY, tmp_path / "photos", folders[1], tmp_path / "run")
