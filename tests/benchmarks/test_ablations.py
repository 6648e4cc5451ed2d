"""Decoders with normalization layers: as files, and through the pipeline whatever the tile size."""

from __future__ import annotations

import pytest
import torch

from adain_core import Stylizer
from adain_core.errors import AdaINError
from adain_core.inference.pipeline import decode
from adain_core.inference.tiled_image import ImageInMemory, stylize_stream
from adain_core.method.features import Features
from adain_core.models.bundled import DEFAULT_ENCODER
from adain_core.models.decoder import Decoder
from adain_core.models.model_files import load_decoder, load_encoder, save_model
from adain_core.models.tensor_files import read_metadata

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(params=["none", "instance", "batch"])
def decoder(request):
    return ablation(request.param)


def ablation(normalization):
    """A decoder whose normalization layers do something."""
    decoder = Decoder(normalization=normalization)
    for layer in getattr(decoder, "n", []):
        torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
        torch.nn.init.uniform_(layer.bias, -0.2, 0.2)
        if normalization == "batch":
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.5, 2.0)
    decoder.trained_for = "some encoder"
    return decoder.eval().requires_grad_(False)


def test_tiles_change_nothing(decoder):
    features = Features(torch.randn(1, 512, 24, 20).relu(), (192, 160), decoder.trained_for)
    expected = decoder(features.tensor, features.size).clamp(0, 1)
    for tile_size in (0, 64):
        torch.testing.assert_close(decode(decoder, features, tile_size), expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(DEFAULT_ENCODER)


def test_statistics_of_the_whole_image_are_not_taken_in_tiles(decoder, encoder):
    decoder.trained_for = encoder.fingerprint
    stylizer = Stylizer(encoder, decoder, "cpu")
    content, style = torch.rand(1, 3, 80, 100), stylizer.style(torch.rand(1, 3, 40, 40))
    source, sink = ImageInMemory(content), ImageInMemory(torch.empty_like(content))
    if decoder.normalization == "instance":
        with pytest.raises(AdaINError, match="decoder: expected one without instance normalization"):
            stylize_stream(stylizer, source, sink, [(style, None)], tile_size=64)
    else:
        stylize_stream(stylizer, source, sink, [(style, None)], tile_size=64)
        expected = stylizer.stylize(content, style)
        torch.testing.assert_close(sink.pixels.clamp(0, 1), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_files_keep_layers_and_running_statistics(decoder, dtype, tmp_path):
    path = tmp_path / "decoder.safetensors"
    save_model(path, decoder, {"encoder": decoder.trained_for}, dtype)
    assert read_metadata(path)["normalization"] == decoder.normalization
    read = load_decoder(path, decoder.trained_for)
    assert read.normalization == decoder.normalization
    x = torch.randn(1, 512, 4, 4).relu()
    torch.testing.assert_close(read(x), decoder(x), rtol=2e-2, atol=2e-2 if dtype == torch.float16 else 1e-6)


def test_batch_normalization_in_training_takes_the_batchs_statistics():
    decoder = ablation("batch").train()
    x = torch.randn(4, 512, 6, 6).relu()
    seen = []
    decoder.n[0].register_forward_hook(lambda _module, given, output: seen.append((given[0].clone(), output.clone())))
    decoder(x)
    given, output = seen[0]
    layer = decoder.n[0]
    mean, std = given.mean((0, 2, 3)), (given.var((0, 2, 3), correction=0) + 1e-5).sqrt()
    expected = (given - mean[:, None, None]) / std[:, None, None] * layer.weight[:, None, None]
    torch.testing.assert_close(output, expected + layer.bias[:, None, None], rtol=1e-4, atol=1e-4)


def test_concatenation_takes_1024_channels():
    decoder = Decoder(conditioning="concatenation").eval()
    assert decoder(torch.randn(1, 1024, 2, 3)).shape == (1, 3, 16, 24)
    with pytest.raises(AdaINError, match=r"expected shape \[batch, 1024, height, width\], found \[1, 512, 2, 3\]"):
        decoder(torch.randn(1, 512, 2, 3))


def test_concatenation_is_not_for_stylizing(encoder):
    decoder = Decoder(conditioning="concatenation").eval().requires_grad_(False)
    decoder.trained_for = encoder.fingerprint
    message = "decoder: expected one that takes AdaIN's features, found one of conditioning 'concatenation'"
    with pytest.raises(AdaINError, match=message):
        Stylizer(encoder, decoder, "cpu")
    with pytest.raises(AdaINError, match=message):
        decode(decoder, Features(torch.rand(1, 512, 2, 3), (16, 24), encoder.fingerprint))


def test_unknown_kinds_are_refused():
    with pytest.raises(AdaINError, match="normalization: expected one of none, instance, batch, found 'layer'"):
        Decoder(normalization="layer")
    with pytest.raises(AdaINError, match="conditioning: expected one of adain, concatenation, found 'film'"):
        Decoder(conditioning="film")
