from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adain_core import Stylizer
from adain_core.checkpoint import load_decoder, load_encoder
from adain_core.errors import AdaINError
from adain_core.memory import automatic_tile_size, working_memory
from adain_core.pipeline import decode, encode
from adain_core.pretrained import DEFAULT_DECODER, DEFAULT_ENCODER
from adain_core.tiling import HALO, TilePlan

sides = st.integers(1, 60)
tile_sizes = st.sampled_from([0, 64, 72, 100, 200])


@settings(deadline=None)
@given(sides, sides, tile_sizes)
def test_tiles_cover_every_place_once(height, width, tile_size):
    covered = torch.zeros(height, width)
    plan = TilePlan(height, width, tile_size)
    tiles = list(plan)
    for tile in tiles:
        covered[tile.inner.places] += 1
    assert (covered == 1).all()
    assert len(plan) == len(tiles)


@settings(deadline=None)
@given(sides, sides, tile_sizes)
def test_halos_end_only_at_the_border(height, width, tile_size):
    for tile in TilePlan(height, width, tile_size):
        assert tile.outer.top == max(tile.inner.top - HALO, 0)
        assert tile.outer.left == max(tile.inner.left - HALO, 0)
        assert tile.outer.bottom == min(tile.inner.bottom + HALO, height)
        assert tile.outer.right == min(tile.inner.right + HALO, width)
        assert all(side.start % 8 == 0 for side in tile.outer.pixels)


@pytest.fixture(scope="module")
def models():
    return load_encoder(DEFAULT_ENCODER), load_decoder(DEFAULT_DECODER)


def test_the_halo_is_the_receptive_field(models):
    """A pixel 31 away from a place's border never matters, one 30 away does: 4 places are needed and enough."""
    encoder, decoder = models
    image = torch.rand(1, 3, 136, 136)
    reach = 4 * 8
    changed = image.clone()
    changed[..., : 64 - reach, :] = 0
    changed[..., 72 + reach :, :] = 0
    with torch.no_grad():
        before, after = encoder(image)[..., 8, 8], encoder(changed)[..., 8, 8]
        assert torch.equal(before, after)
        features = torch.rand(1, 512, 17, 17)
        other = features.clone()
        other[..., : 8 - HALO, :] = 0
        other[..., 9 + HALO :, :] = 0
        whole, part = decoder(features), decoder(other)
    torch.testing.assert_close(whole[..., 64:72, :], part[..., 64:72, :], atol=1e-5, rtol=0)
    nearer = features.clone()
    nearer[..., : 8 - HALO + 1, :] = 0
    with torch.no_grad():
        assert not torch.allclose(whole[..., 64:72, :], decoder(nearer)[..., 64:72, :], atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3), st.integers(1, 170), st.integers(1, 170), st.sampled_from([64, 80, 128]), st.booleans())
def test_tiled_equals_untiled(models, batch, height, width, tile_size, little_memory):
    encoder, decoder = models
    images = torch.rand(batch, 3, height, width)
    memory = 1 if little_memory else None
    whole = encode(encoder, images, memory=1 << 40)
    tiled = encode(encoder, images, tile_size=tile_size, memory=memory)
    torch.testing.assert_close(tiled.tensor, whole.tensor, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.stack(tiled.statistics), torch.stack(whole.statistics), atol=1e-4, rtol=0)
    image = decode(decoder, whole, tile_size=tile_size, memory=memory)
    assert image.shape == images.shape
    torch.testing.assert_close(image, decode(decoder, whole, memory=1 << 40), atol=1e-4, rtol=0)


def test_progress_reaches_the_end_and_can_stop(models):
    encoder, _ = models
    calls = []
    encode(encoder, torch.rand(2, 3, 130, 70), tile_size=64, progress=lambda *c: calls.append(c), memory=1)
    assert calls == [(k, 12) for k in range(1, 13)]

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        encode(encoder, torch.rand(1, 3, 16, 16), progress=stop)


@settings(deadline=None)
@given(st.integers(1, 20000), st.integers(1, 20000), st.integers(10_000_000, 10**10))
def test_automatic_tiles_fit(height, width, available):
    size = automatic_tile_size(height, width, available)
    pixels = height * width if size == 0 else (size + 64) ** 2
    assert working_memory(pixels) <= available or size == 64


def test_a_tile_too_small(models):
    with pytest.raises(AdaINError, match=r"expected 0 .* or at least 64 pixels, found 32"):
        encode(models[0], torch.rand(1, 3, 8, 8), tile_size=32)


def test_stylizer_in_tiles():
    stylizer = Stylizer.load(device="cpu")
    image = torch.rand(1, 3, 150, 90)
    features = stylizer.encode(image, tile_size=64)
    torch.testing.assert_close(stylizer.decode(features, tile_size=64), stylizer.decode(stylizer.encode(image)))
