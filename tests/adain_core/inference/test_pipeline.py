"""Encoding and decoding in tiles."""

from __future__ import annotations

import pytest
import torch

from adain_core.inference.pipeline import decode
from adain_core.method.features import Features
from adain_core.models.decoder import Decoder


@pytest.mark.slow
@pytest.mark.usefixtures("single_thread")
@pytest.mark.parametrize("tile_size", [0, 64])
@pytest.mark.parametrize("normalization", ["none", "instance", "batch"])
def test_tiles_change_nothing_whatever_the_normalization(normalization, tile_size):
    decoder = Decoder(normalization=normalization).eval().requires_grad_(False)
    for layer in getattr(decoder, "n", []):
        torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
        torch.nn.init.uniform_(layer.bias, -0.2, 0.2)
    features = Features(torch.randn(1, 512, 24, 20).relu(), (192, 160), decoder.trained_for)
    expected = decoder(features.tensor, features.size).clamp(0, 1)
    torch.testing.assert_close(decode(decoder, features, tile_size), expected, rtol=1e-4, atol=1e-4)
