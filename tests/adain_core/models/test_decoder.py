from __future__ import annotations

import pytest
import torch
from torch import nn

from adain_core.errors import AdaINError
from adain_core.method.features import feature_size
from adain_core.models.decoder import Decoder
from adain_core.models.vgg import ARCHITECTURES, VGGEncoder

SIZES = [(1, 1), (1, 7), (2, 2), (3, 1), (9, 9), (16, 24), (37, 100)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_any_size(height, width):
    features = torch.rand(1, 512, *feature_size(height, width))
    with torch.no_grad():
        whole, image = Decoder()(features), Decoder()(features, (height, width))
    assert whole.shape == (1, 3, 8 * features.shape[2], 8 * features.shape[3])
    assert image.shape == (1, 3, height, width)
    assert image.isfinite().all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_mirrors_the_encoder(architecture):
    encoder, decoder = VGGEncoder(architecture), Decoder(architecture)
    there = [(c.in_channels, c.out_channels) for c in encoder.c]
    back = [(c.out_channels, c.in_channels) for c in reversed(decoder.c)]
    assert there == back
    assert not [m for m in decoder.modules() if isinstance(m, (nn.BatchNorm2d, nn.InstanceNorm2d))]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("normalization", ["none", "instance", "batch"])
def test_it_equals_a_plain_sequential(normalization, training):
    decoder = Decoder(normalization=normalization).train(training)
    layers: list[nn.Module] = []
    for k, convolution in enumerate(decoder.c):
        plain = nn.Conv2d(convolution.in_channels, convolution.out_channels, 3)
        plain.load_state_dict(convolution.state_dict())
        layers += [nn.ReflectionPad2d(1), plain]
        if k < 8:
            if normalization != "none":
                kind = nn.InstanceNorm2d if normalization == "instance" else nn.BatchNorm2d
                layers.append(kind(convolution.out_channels))
            layers.append(nn.ReLU())
        if k in (0, 4, 6):
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    sequential = nn.Sequential(*layers).train(training)
    features = torch.randn(2, 512, 4, 5)
    with torch.no_grad():
        torch.testing.assert_close(
            decoder(features, (30, 33)), sequential(features)[..., :30, :33], atol=1e-5, rtol=1e-4
        )


def test_meta_device():
    """Nothing in the decoder is tied to a device."""
    with torch.device("meta"):
        image = Decoder()(torch.rand(2, 512, 5, 7), (40, 50))
    assert (image.shape, image.device.type) == ((2, 3, 40, 50), "meta")


@pytest.mark.parametrize(
    ("shape", "size", "message"),
    [
        ((1, 512, 2, 2), (16, 17), "expected height and width 2x3 for an image of 16x17, found 2x2"),
        ((1, 256, 2, 2), None, r"expected shape \[batch, 512, height, width\], found \[1, 256, 2, 2\]"),
        ((512, 2, 2), None, r"found \[512, 2, 2\]"),
        ((1, 512, 0, 2), None, r"found \[1, 512, 0, 2\]"),
    ],
)
def test_features_that_do_not_fit(shape, size, message):
    with pytest.raises(AdaINError, match=f"features: .*{message}"):
        Decoder()(torch.rand(shape), size)


def test_unknown_normalization():
    with pytest.raises(AdaINError, match="normalization: expected one of none, instance, batch, found 'layer'"):
        Decoder(normalization="layer")
