from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from adain_core.errors import AdaINError
from adain_core.method.features import feature_size
from adain_core.models.vgg import VGGEncoder

SIZES = [(1, 1), (1, 7), (2, 2), (3, 1), (9, 9), (16, 24), (37, 100)]
# torchvision's name of its layer table, and its layers up to relu4_1.
TORCHVISION = {"vgg19": ("E", 21), "vgg16": ("D", 19)}


@pytest.mark.parametrize("architecture", TORCHVISION)
def test_equals_torchvision_with_reflection_padding(architecture):
    table, count = TORCHVISION[architecture]
    layers = list(make_layers(cfgs[table], batch_norm=False)[:count])
    encoder = VGGEncoder(architecture)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == len(encoder.c)
    for ours, theirs in zip(encoder.c, convolutions, strict=True):
        ours.load_state_dict(theirs.state_dict())
        theirs.padding_mode = "reflect"
    x = torch.rand(2, 3, 45, 66)
    with torch.no_grad():
        features, taps = encoder(x), encoder.taps(x)
        seen = []
        for layer in layers:
            if isinstance(layer, nn.MaxPool2d):
                layer.ceil_mode = True
            x = layer(x)
            seen.append(x.clone())  # the next ReLU works in place
    torch.testing.assert_close(features, seen[-1], atol=1e-5, rtol=1e-4)
    for tap, index in zip(taps, (1, 6, 11, count - 1), strict=True):
        torch.testing.assert_close(tap, seen[index], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_any_size(height, width):
    with torch.no_grad():
        features = VGGEncoder()(torch.rand(1, 3, height, width))
    assert features.shape == (1, 512, *feature_size(height, width))
    assert features.isfinite().all()


def test_meta_device():
    """Nothing in the encoder is tied to a device."""
    with torch.device("meta"):
        features = VGGEncoder()(torch.rand(2, 3, 40, 50))
    assert (features.shape, features.device.type) == ((2, 512, 5, 7), "meta")


@pytest.mark.parametrize(
    "images", [torch.rand(3, 8, 8), torch.rand(1, 4, 8, 8), torch.rand(1, 3, 0, 8), torch.zeros(1, 3, 8, 8, dtype=int)]
)
def test_images_of_another_shape(images):
    with pytest.raises(
        AdaINError, match=r"images: expected floats of shape \[batch, 3, height, width\] with at least one pixel, found"
    ):
        VGGEncoder()(images)


def test_unknown_architecture():
    with pytest.raises(AdaINError, match="architecture: expected one of vgg19, vgg16, found 'vgg11'"):
        VGGEncoder("vgg11")
