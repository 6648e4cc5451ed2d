"""The fast forms against the modules' own forward."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adain_core.images.files import load_picture
from adain_core.inference.fast import conv_chain
from adain_core.inference.fast.forward import fast
from adain_core.models.bundled import PAIRS, VGG19_DECODER, VGG19_ENCODER, load_pair
from adain_core.models.decoder import Decoder
from adain_core.models.model_files import load_decoder, load_encoder
from adain_core.models.vgg import VGGEncoder

LAST = torch.channels_last


@pytest.fixture(scope="module")
def models():
    return load_encoder(VGG19_ENCODER), load_decoder(VGG19_DECODER)


@pytest.fixture(scope="module", params=PAIRS)
def pair(request):
    return load_pair(pair=request.param)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 90), st.integers(1, 90))
def test_fast_equals_plain(pair, batch, height, width):
    encoder, decoder = pair
    images = torch.rand(batch, 3, height, width).contiguous(memory_format=LAST)
    with torch.inference_mode():
        features = encoder(images)
        # The light pair's features are in the hundreds; float32 knows seven digits of them.
        torch.testing.assert_close(fast(encoder)(images), features, atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(fast(decoder)(features), decoder(features), atol=1e-4, rtol=0)


def test_the_other_architecture():
    encoder = VGGEncoder("vgg16").eval().requires_grad_(False)
    images = torch.rand(1, 3, 33, 18)
    torch.testing.assert_close(fast(encoder)(images), encoder(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("normalization", ["instance", "batch"])
def test_normalization_layers_are_kept(normalization):
    decoder = Decoder("vgg16", normalization).eval().requires_grad_(False)
    features = torch.rand(2, 512, 4, 3)
    torch.testing.assert_close(fast(decoder)(features), decoder(features))


def test_derived_weights_follow_the_parameters(models):
    decoder = load_decoder(VGG19_DECODER)
    features = torch.rand(1, 512, 2, 2)
    with torch.no_grad():
        before = fast(decoder)(features)
        for parameter in decoder.parameters():
            parameter.mul_(0.5)
        after = fast(decoder)(features)
        torch.testing.assert_close(after, decoder(features), atol=1e-5, rtol=0)
    assert not torch.allclose(before, after)
    assert decoder.state_dict().keys() == models[1].state_dict().keys()


def test_what_is_derived_is_kept_until_a_parameter_changes():
    decoder = load_decoder(VGG19_DECODER)
    before = fast(decoder)
    assert fast(decoder) is before
    weight = decoder.c[0].weight
    changes = {
        "in place": lambda: weight.mul_(0.5),
        "other data": lambda: setattr(weight, "data", weight.data.clone()),
        "another parameter": lambda: setattr(decoder.c[0], "weight", torch.nn.Parameter(weight.clone(), False)),
        "loaded": lambda: decoder.load_state_dict(load_decoder(VGG19_DECODER).state_dict()),
        "another type": lambda: decoder.double(),
    }
    for name, change in changes.items():
        change()
        after = fast(decoder)
        assert after is not before, name
        assert fast(decoder) is after, name
        before = after


def test_nothing_is_kept_of_what_trains_or_is_not_counted():
    decoder = load_decoder(VGG19_DECODER)
    decoder.c[-1].bias.requires_grad_(True)
    with torch.no_grad():
        assert fast(decoder) is not fast(decoder)
    with torch.inference_mode():
        decoder = load_decoder(VGG19_DECODER)
        features = torch.rand(1, 512, 2, 2)
        fast(decoder)(features)
        decoder.c[0].weight.mul_(0.5)
        torch.testing.assert_close(fast(decoder)(features), decoder(features), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_derived_goes_with_its_model(name):
    for which in (0, 1):
        model = load_pair(pair=name)[which]
        weight = weakref.ref(model.c[0].weight)
        fast(model)
        del model
        gc.collect()
        assert weight() is None


@pytest.mark.slow
@pytest.mark.parametrize("winograd", [True, False])
def test_a_photo_with_and_without_winograd(models, examples, monkeypatch, winograd):
    """Large enough for Winograd in every wide layer, on any processor: features and image as by the plain form."""
    monkeypatch.setattr(conv_chain, "faster_than_direct", lambda *_: winograd)
    encoder, decoder = models
    photo = load_picture(examples / "content_astronaut.jpg").pixels[..., :397, :430]
    with torch.inference_mode():
        features = encoder(photo)
        largest = features.max().item()  # some 60; plain float32 itself is 1e-4 off float64
        torch.testing.assert_close(fast(encoder)(photo), features, atol=5e-6 * largest, rtol=0)
        torch.testing.assert_close(fast(decoder)(features), decoder(features), atol=1e-4, rtol=0)


def test_bands_of_every_pair(pair, monkeypatch):
    """Bands of a few rows, as of images too large for the cache, of a height and width that end within a position.

    Statistics are taken of channels_last features as they are; others are copied first.
    """
    monkeypatch.setattr(conv_chain, "_CPU_BAND", 1 << 14)
    encoder, decoder = pair
    images = torch.rand(2, 3, 77, 50).contiguous(memory_format=LAST)
    with torch.inference_mode():
        features = encoder(images)
        found = fast(encoder)(images)
        torch.testing.assert_close(found, features, atol=1e-4, rtol=1e-5)
        assert found.is_contiguous(memory_format=LAST)
        torch.testing.assert_close(fast(decoder)(features), decoder(features), atol=1e-5, rtol=0)


@pytest.mark.parametrize("pair", PAIRS)
def test_half_precision_follows_the_models(pair):
    encoder, _ = load_pair(pair=pair)
    images = torch.rand(1, 3, 40, 24)
    with torch.inference_mode():
        exact = encoder(images)
        half = fast(encoder.bfloat16())(images.bfloat16())
        assert half.dtype == torch.bfloat16
        assert (half.float() - exact).abs().mean() < 0.02 * exact.abs().mean()
