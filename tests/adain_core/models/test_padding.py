"""Against numpy's padding, whose 'reflect' repeats a side of one pixel as well."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adain_core.models.padding import pad_one


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 1), (2, 2), (5, 6)])
@pytest.mark.parametrize(("top", "bottom"), [(True, True), (True, False), (False, True), (False, False)])
def test_equals_numpy(mode, size, top, bottom):
    x = torch.rand(2, 3, *size)
    widths = ((0, 0), (0, 0), (int(top), int(bottom)), (1, 1))
    expected = np.pad(x.numpy(), widths, mode="edge" if mode == "replicate" else "reflect")
    assert np.array_equal(pad_one(x, mode, top, bottom).numpy(), expected)


def test_autocast_does_not_widen():
    x = torch.rand(1, 2, 4, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert pad_one(x).dtype == torch.bfloat16
