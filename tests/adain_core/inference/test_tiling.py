from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from adain_core import Stylizer
from adain_core.errors import AdaINError
from adain_core.inference import pipeline
from adain_core.inference.memory_estimates import automatic_tile_size, working_memory
from adain_core.inference.pipeline import decode, encode
from adain_core.inference.tiling import TilePlan
from adain_core.models.bundled import PAIRS, VGG19_DECODER, VGG19_ENCODER, load_pair
from adain_core.models.model_files import load_decoder, load_encoder
from adain_core.models.vgg import HALO

sides = st.integers(1, 60)
tile_sizes = st.sampled_from([0, 64, 72, 100, 200])


@settings(deadline=None)
@given(sides, sides, tile_sizes)
def test_tiles_cover_every_place_once(height, width, tile_size):
    covered = torch.zeros(height, width)
    plan = TilePlan(height, width, HALO, tile_size)
    tiles = list(plan)
    for tile in tiles:
        covered[tile.inner.positions] += 1
    assert (covered == 1).all()
    assert len(plan) == len(tiles)


@settings(deadline=None)
@given(sides, sides, tile_sizes)
def test_halos_end_only_at_the_border(height, width, tile_size):
    """Inner box grown place by place, where there is one; nothing else."""
    for tile in TilePlan(height, width, HALO, tile_size):
        wanted = torch.zeros(1, 1, height, width)
        wanted[(..., *tile.inner.positions)] = 1
        for _ in range(4):
            wanted = F.max_pool2d(wanted, 3, stride=1, padding=1)
        found = torch.zeros(1, 1, height, width)
        found[(..., *tile.outer.positions)] = 1
        assert torch.equal(found, wanted)
        assert [(side.start, side.stop) for side in tile.outer.pixels] == [
            (8 * side.start, 8 * side.stop) for side in tile.outer.positions
        ]


@pytest.fixture(scope="module")
def models():
    return load_encoder(VGG19_ENCODER), load_decoder(VGG19_DECODER)


def test_the_halo_is_the_receptive_field(models):
    """A pixel 31 away from a place's 8x8 never matters, one 30 away does; so 4 places are needed and enough."""
    encoder, decoder = models
    start, end = 64, 72  # rows of the place 8
    image = torch.rand(1, 3, 136, 24, requires_grad=True)
    encoder(image)[..., 8, :].sum().backward()
    seen = image.grad.abs().amax(dim=(0, 1, 3)).nonzero()
    assert (int(seen.min()), int(seen.max())) == (start - 30, end - 1 + 30)
    features = torch.rand(1, 512, 17, 3, requires_grad=True)
    decoder(features)[..., start:end, :].sum().backward()
    seen = features.grad.abs().amax(dim=(0, 1, 3)).nonzero()
    assert (int(seen.min()), int(seen.max())) == (8 - HALO, 8 + HALO)


@pytest.fixture(scope="module", params=PAIRS)
def pair(request):
    return load_pair(pair=request.param)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 3), st.integers(1, 170), st.integers(1, 170), st.sampled_from([64, 80, 128]), st.booleans())
def test_tiled_equals_untiled(pair, batch, height, width, tile_size, little_memory):
    encoder, decoder = pair
    images = torch.rand(batch, 3, height, width)
    memory = 1 if little_memory else None
    whole = encode(encoder, images, memory=1 << 40)
    tiled = encode(encoder, images, tile_size=tile_size, memory=memory)
    torch.testing.assert_close(tiled.tensor, whole.tensor, atol=3e-4, rtol=1e-5)
    torch.testing.assert_close(torch.stack(tiled.statistics), torch.stack(whole.statistics), atol=3e-4, rtol=1e-5)
    image = decode(decoder, whole, tile_size=tile_size, memory=memory)
    assert image.shape == images.shape
    torch.testing.assert_close(image, decode(decoder, whole, memory=1 << 40), atol=1e-4, rtol=0)


def test_a_chunk_of_inner_tiles_fits_too(models, monkeypatch):
    """Tiles inside the image have halos on all sides: a chunk must not be reckoned from the first one, in a corner."""
    seen = []

    def fast(model):
        return lambda x: seen.append(x.shape) or torch.zeros(len(x), 512, x.shape[2] // 8, x.shape[3] // 8)

    monkeypatch.setattr(pipeline, "fast", fast)
    encode(models[0], torch.rand(4, 3, 200, 200), tile_size=64, memory=working_memory(2 * 96 * 96, 512))
    assert max(batch * height * width for batch, _, height, width in seen) == 128 * 128
    seen.clear()
    encode(models[0], torch.rand(4, 3, 200, 200), tile_size=64, memory=working_memory(2 * 128 * 128, 512))
    assert max(batch * height * width for batch, _, height, width in seen) == 2 * 128 * 128


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
@given(st.integers(1, 20000), st.integers(1, 20000), st.integers(10_000_000, 10**10), st.sampled_from([192, 512, 1088]))
def test_automatic_tiles_fit(height, width, available, channels):
    size = automatic_tile_size(height, width, HALO, available, channels)
    pixels = height * width if size == 0 else (size + 64) ** 2
    assert working_memory(pixels, channels) <= available or size == 64


def test_a_tile_too_small(models):
    with pytest.raises(AdaINError, match=r"expected 0 .* or at least 64 pixels, found 32"):
        encode(models[0], torch.rand(1, 3, 8, 8), tile_size=32)


@pytest.mark.parametrize("pair", PAIRS)
def test_stylizer_in_tiles(pair):
    stylizer = Stylizer.load(device="cpu", pair=pair)
    image = torch.rand(1, 3, 150, 90)
    features = stylizer.encode(image, tile_size=64)
    torch.testing.assert_close(stylizer.decode(features, tile_size=64), stylizer.decode(stylizer.encode(image)))
