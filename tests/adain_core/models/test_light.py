from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from adain_core.errors import AdaINError
from adain_core.method.features import feature_size
from adain_core.models.bundled import PAIRS, VGG19_DECODER, load_pair
from adain_core.models.light import LightDecoder, LightEncoder
from adain_core.models.model_files import (
    encoder_fingerprint,
    load_decoder,
    load_encoder,
    load_vgg,
    load_vgg_decoder,
    save_model,
)
from adain_core.models.tensor_files import read_metadata, read_safetensors

SIZES = [(1, 1), (1, 7), (5, 9), (13, 8), (16, 24), (37, 100)]


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    return LightEncoder().requires_grad_(False), LightDecoder().requires_grad_(False)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_any_size(models, height, width):
    encoder, decoder = models
    features = encoder(torch.rand(2, 3, height, width))
    assert features.shape == (2, 192, *feature_size(height, width))
    image = decoder(features, (height, width))
    assert image.shape == (2, 3, height, width)
    assert torch.equal(image, decoder(features)[..., :height, :width])
    assert features.isfinite().all()
    assert image.isfinite().all()


def test_the_encoder_is_its_layers_one_by_one(models):
    """Reflection everywhere, and one feature channel of each of the 2x2 positions of a shallow one."""
    encoder, _ = models
    images = torch.rand(1, 3, 24, 32)

    def layer(k, x):
        return nn.Sequential(nn.ReflectionPad2d(1), encoder.c[k])(x)

    x = layer(2, layer(1, layer(0, images).relu()).relu())
    deep = layer(3, x.relu())
    deep = deep + layer(5, layer(4, deep.relu()).relu())
    features = encoder(images)
    torch.testing.assert_close(features[:, :128], deep, atol=1e-6, rtol=1e-5)
    shallow = features[:, 128:].view(1, 16, 2, 2, 3, 4).permute(0, 1, 4, 2, 5, 3).reshape(1, 16, 6, 8)
    torch.testing.assert_close(shallow, x[:, :16], atol=1e-6, rtol=1e-5)


def test_the_decoder_is_its_layers_one_by_one(models):
    _, decoder = models
    features = torch.randn(1, 192, 3, 4)

    def layer(k, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), decoder.c[k].weight, decoder.c[k].bias)

    def larger(x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    x = layer(0, features)
    x = x + layer(2, layer(1, x.relu()).relu())
    x = x + layer(4, layer(3, x.relu()).relu())
    shallow = torch.stack([features[:, 128 + k :: 4] for k in range(4)], 2).view(1, 16, 2, 2, 3, 4)
    shallow = shallow.permute(0, 1, 4, 2, 5, 3).reshape(1, 16, 6, 8)
    x = layer(6, torch.cat([layer(5, larger(x.relu())), shallow], 1)).relu()
    x = layer(9, layer(8, layer(7, larger(x)).relu()).relu())
    expected = x.view(1, 3, 2, 2, 12, 16).permute(0, 1, 4, 2, 5, 3).reshape(1, 3, 24, 32)
    torch.testing.assert_close(decoder(features), expected, atol=1e-6, rtol=1e-5)


def test_other_sizes_are_continued_to_whole_positions(models):
    encoder, _ = models
    images = torch.rand(1, 3, 13, 21)
    torch.testing.assert_close(encoder(images), encoder(F.pad(images, (0, 3, 0, 3), mode="replicate")))


def test_the_halo_is_the_receptive_field():
    """A position sees 27 pixels before its 8x8 and 20 behind; its pixels see 7 positions on each side."""
    encoder, decoder = LightEncoder().double(), LightDecoder().double()
    images = torch.rand(1, 3, 160, 160, dtype=torch.double, requires_grad=True)
    encoder(images)[..., 10, 10].square().sum().backward()
    seen = images.grad.abs().sum((0, 1, 3)).nonzero()
    assert (int(seen.min()), int(seen.max())) == (80 - 27, 87 + 20)
    assert 8 * encoder.halo >= 27
    features = torch.randn(1, 192, 24, 24, dtype=torch.double, requires_grad=True)
    decoder(features)[..., 96:104, 96:104].square().sum().backward()
    seen = features.grad.abs().sum((0, 1, 3)).nonzero()
    assert (int(seen.min()), int(seen.max())) == (12 - decoder.halo, 12 + decoder.halo)


def test_what_does_not_fit(models):
    encoder, decoder = models
    with pytest.raises(AdaINError, match=r"features: expected shape \[batch, 192, height, width\], found \[1, 512"):
        decoder(torch.rand(1, 512, 2, 2))
    with pytest.raises(AdaINError, match="expected height and width 2x3 for an image of 16x17, found 2x2"):
        decoder(torch.rand(1, 192, 2, 2), (16, 17))
    with pytest.raises(AdaINError, match="images: expected floats of shape"):
        encoder(torch.rand(1, 1, 8, 8))


def test_files(models, tmp_path):
    encoder, decoder = models
    paths = tmp_path / "encoder.safetensors", tmp_path / "decoder.safetensors"
    save_model(paths[0], encoder, {}, torch.float16)
    save_model(paths[1], decoder, {"encoder": encoder_fingerprint(encoder)}, torch.float16)
    read, decoder_read = load_pair(*paths)
    assert (type(read), type(decoder_read)) == (LightEncoder, LightDecoder)
    assert read.fingerprint == decoder_read.trained_for == read_metadata(paths[0])["fingerprint"]
    images = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(read(images), encoder(images), atol=2e-2, rtol=2e-2)
    for kind, load in (("encoder", load_vgg), ("decoder", load_vgg_decoder)):
        with pytest.raises(AdaINError, match=rf"{kind}.safetensors: expected a .*VGG.* found the light one"):
            load(tmp_path / f"{kind}.safetensors")


def test_the_bundled_files_are_a_pair_of_at_most_3_mb():
    encoder, decoder = (load(path) for load, path in zip((load_encoder, load_decoder), PAIRS["light"], strict=True))
    assert decoder.trained_for == encoder.fingerprint
    assert sum(path.stat().st_size for path in PAIRS["light"]) <= 3_000_000
    for path in PAIRS["light"]:
        state, metadata = read_safetensors(path)
        assert {value.dtype for value in state.values()} == {torch.float16}
        assert metadata["license"] == "MIT"


def test_pairs_do_not_mix():
    with pytest.raises(AdaINError, match="expected a decoder trained for this encoder"):
        load_pair(PAIRS["light"].encoder, VGG19_DECODER)
    with pytest.raises(AdaINError, match="pair: expected one of vgg19, fine, light, found 'heavy'"):
        load_pair(pair="heavy")
