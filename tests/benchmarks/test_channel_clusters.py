from __future__ import annotations

import pytest
import torch

from adain_core import Stylizer
from benchmarks.channel_clusters import PATCH, named, strongest_patches


def test_clusters_keep_the_names_of_those_they_share_most_with():
    before = {"first": [0, 1, 2, 3], "second": [4, 5, 6], "third": [7]}
    found = named([[4, 5, 9], [0, 1, 2], [7, 8, 3]], before)
    assert found == {"second": [4, 5, 9], "first": [0, 1, 2], "3": [7, 8, 3]}


@pytest.mark.slow
def test_patches_are_where_the_channels_are_excited():
    """A checkerboard somewhere in grey: the channels it excites find it, in both pictures, and once in each."""
    stylizer = Stylizer.load(device="cpu")
    pictures, y = torch.full((2, 3, 160, 200), 0.5), torch.arange(160)[:, None] // 4 + torch.arange(200) // 4
    corners = (16, 112), (88, 40)
    for picture, (top, left) in zip(pictures, corners, strict=True):
        picture[:, top : top + 48, left : left + 48] = (y[:48, :48] % 2).float()
    features = stylizer.encode(pictures).tensor
    mean, std = features.mean(dim=(0, 2, 3)), features.std(dim=(0, 2, 3))
    inside = features[0, :, 3:7, 15:19].mean(dim=(1, 2))
    most = ((inside - mean) / std.clamp(min=1e-6)).topk(20).indices.tolist()
    (patches,) = strongest_patches(stylizer, [(k, pictures[k : k + 1]) for k in (0, 1)], (mean, std), [most], 2)
    assert {patch.image for patch in patches} == {0, 1}
    for patch in patches:
        assert patch.pixels.shape == (3, PATCH, PATCH)
        assert patch.pixels.std() > 0.25  # mostly checkerboard
