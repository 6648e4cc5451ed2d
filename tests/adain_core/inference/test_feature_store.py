"""Where the features of an image in tiles are kept."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError
from adain_core.inference.feature_store import FeatureStore
from adain_core.inference.tiling import Box


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_store_returns_what_was_written(tmp_path, dtype):
    whole = torch.rand(1, 512, 9, 7).to(dtype)
    for folder in (None, tmp_path):
        store = FeatureStore(9, 7, 512, dtype, folder)
        for box in (Box(0, 5, 0, 7), Box(5, 9, 0, 3), Box(5, 9, 3, 7)):
            store.write(box, whole[(..., *box.positions)])
        for box in (Box(0, 9, 0, 7), Box(3, 8, 2, 6)):
            assert torch.equal(store.read(box), whole[(..., *box.positions)])


def test_no_room_for_the_features(tmp_path):
    with pytest.raises(AdaINError, match="GiB of free disk space"):
        FeatureStore(10**6, 10**6, 512, torch.float32, tmp_path)
