from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from adain_core.errors import AdaINError
from adain_core.method.features import feature_size
from adain_core.models.decoder import Decoder
from adain_core.models.vgg import VGGEncoder

SIZES = [(1, 1), (1, 7), (2, 2), (3, 1), (9, 9), (16, 24), (37, 100)]
FEATURES_OF = {"vgg19": 21, "vgg16": 19}  # torchvision's layers up to relu4_1


@pytest.mark.parametrize("architecture", FEATURES_OF)
def test_equals_torchvision_with_zero_padding(architecture):
    reference = getattr(torchvision.models, architecture)(weights=None).features[: FEATURES_OF[architecture]].eval()
    encoder = VGGEncoder(architecture, padding="zeros")
    convolutions = [layer for layer in reference if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == len(encoder.c)
    for ours, theirs in zip(encoder.c, convolutions, strict=True):
        ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, 48, 64)
    with torch.no_grad():
        expected = reference(images)
        torch.testing.assert_close(encoder(images), expected, atol=1e-5, rtol=1e-4)
        taps = encoder.taps(images)
        seen, x = [], images
        for layer in reference:
            x = layer(x)
            seen.append(x)
    for tap, index in zip(taps, (1, 6, 11, FEATURES_OF[architecture] - 1), strict=True):
        torch.testing.assert_close(tap, seen[index], atol=1e-5, rtol=1e-4)


def test_reflection_padding():
    encoder = VGGEncoder()
    images = torch.rand(1, 3, 5, 6)
    first = encoder.c[0]
    expected = F.relu(F.conv2d(F.pad(images, (1, 1, 1, 1), mode="reflect"), first.weight, first.bias))
    torch.testing.assert_close(encoder.taps(images)[0], expected)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_any_size_and_back(height, width):
    with torch.no_grad():
        features = VGGEncoder()(torch.rand(1, 3, height, width))
        assert features.shape == (1, 512, *feature_size(height, width))
        assert features.isfinite().all()
        assert Decoder()(features, (height, width)).shape == (1, 3, height, width)


def test_decoder_mirrors_the_encoder():
    for architecture in FEATURES_OF:
        encoder, decoder = VGGEncoder(architecture), Decoder(architecture)
        there = [(c.in_channels, c.out_channels) for c in encoder.c]
        back = [(c.out_channels, c.in_channels) for c in reversed(decoder.c)]
        assert there == back
        assert not [m for m in decoder.modules() if isinstance(m, (nn.BatchNorm2d, nn.InstanceNorm2d))]


def test_decoder_equals_a_plain_sequential():
    decoder = Decoder()
    layers: list[nn.Module] = []
    for k, convolution in enumerate(decoder.c):
        layers += [nn.ReflectionPad2d(1), convolution]
        if k < 8:
            layers.append(nn.ReLU())
        if k in (0, 4, 6):
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    features = torch.randn(2, 512, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(
            decoder(features, (30, 33)), nn.Sequential(*layers)(features)[..., :30, :33], atol=1e-5, rtol=1e-4
        )


def test_meta_device():
    """Nothing in the models is tied to a device."""
    with torch.device("meta"):
        features = VGGEncoder()(torch.rand(2, 3, 40, 50))
        image = Decoder()(features, (40, 50))
    assert features.shape == (2, 512, 5, 7)
    assert image.device.type == "meta"


@pytest.mark.parametrize(
    "images", [torch.rand(3, 8, 8), torch.rand(1, 4, 8, 8), torch.rand(1, 3, 0, 8), torch.zeros(1, 3, 8, 8, dtype=int)]
)
def test_images_of_another_shape(images):
    with pytest.raises(AdaINError, match="images: expected floats of shape"):
        VGGEncoder()(images)


def test_unknown_architecture_and_padding():
    with pytest.raises(AdaINError, match="expected one of vgg19, vgg16, found 'vgg11'"):
        VGGEncoder("vgg11")
    with pytest.raises(AdaINError, match="expected one of reflect, zeros"):
        VGGEncoder(padding="same")


def test_decoder_refuses_another_size():
    with pytest.raises(AdaINError, match="expected 2x3 places for an image of 16x17, found 2x2"):
        Decoder()(torch.rand(1, 512, 2, 2), (16, 17))
