from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from adain_core.errors import AdaINError
from adain_core.models.bundled import VGG19_DECODER, VGG19_ENCODER
from adain_core.models.decoder import Decoder
from adain_core.models.model_files import encoder_fingerprint, load_decoder, load_encoder, save_model
from adain_core.models.tensor_files import read_metadata, read_safetensors
from adain_core.models.vgg import VGGEncoder


@pytest.fixture(scope="module")
def decoder_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "decoder.safetensors"
    save_model(path, Decoder(), {"encoder": "0123456789abcdef", "steps": "7"})
    return path


def test_round_trip(decoder_file):
    decoder = load_decoder(decoder_file, "0123456789abcdef")
    assert decoder.trained_for == "0123456789abcdef"
    assert read_metadata(decoder_file)["steps"] == "7"
    again = decoder_file.with_name("again.safetensors")
    save_model(again, decoder, {"encoder": decoder.trained_for})
    for key, value in decoder.state_dict().items():
        assert torch.equal(read_safetensors(again)[0][key], value)


def test_fingerprint_ignores_precision_and_sees_a_change(tmp_path):
    encoder = VGGEncoder("vgg16")
    for name, dtype in (("full", torch.float32), ("half", torch.float16)):
        save_model(tmp_path / f"{name}.safetensors", encoder, {}, dtype)
    full, half = (load_encoder(tmp_path / f"{name}.safetensors") for name in ("full", "half"))
    assert full.fingerprint == half.fingerprint == read_metadata(tmp_path / "half.safetensors")["fingerprint"]
    assert full.architecture == "vgg16"
    with torch.no_grad():
        encoder.c[3].bias[0] += 0.1
    assert encoder_fingerprint(encoder) != full.fingerprint


def test_the_bundled_pair_fits():
    encoder = load_encoder(VGG19_ENCODER)
    assert load_decoder(VGG19_DECODER, encoder.fingerprint).trained_for == encoder.fingerprint
    assert "CC BY 4.0" in read_metadata(VGG19_ENCODER)["license"]


def test_a_decoder_for_another_encoder_is_refused(decoder_file):
    with pytest.raises(AdaINError, match=r"for this encoder \(feed\), found one trained for 0123456789abcdef"):
        load_decoder(decoder_file, "feed")


def test_an_encoder_is_no_decoder(decoder_file):
    with pytest.raises(AdaINError, match="expected an encoder file, found one that holds a decoder"):
        load_encoder(decoder_file)
    with pytest.raises(AdaINError, match="expected a decoder file, found one that holds an encoder"):
        load_decoder(VGG19_ENCODER)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("c.3.bias"), r"found missing c\.3\.bias"),
        (lambda s: s.update(extra=torch.ones(1)), "unexpected extra"),
        (lambda s: s.update({"c.8.bias": torch.ones(4)}), r"c\.8\.bias of shape \[4\] instead of \[3\]"),
        (lambda s: s["c.0.bias"].fill_(float("nan")), r"c\.0\.bias with values that are not finite"),
    ],
)
def test_weights_that_do_not_fit(decoder_file, tmp_path, change, message):
    state, metadata = read_safetensors(decoder_file)
    change(state)
    save_file(state, tmp_path / "bad.safetensors", metadata)
    with pytest.raises(AdaINError, match=message):
        load_decoder(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("normalization", ["none", "instance", "batch"])
def test_files_keep_normalization_layers_and_running_statistics(normalization, dtype, tmp_path):
    decoder = Decoder(normalization=normalization).eval()
    for layer in getattr(decoder, "n", []):
        torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
        torch.nn.init.uniform_(layer.bias, -0.2, 0.2)
        if normalization == "batch":
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.5, 2.0)
    path = tmp_path / "decoder.safetensors"
    save_model(path, decoder, {"encoder": "some encoder"}, dtype)
    assert read_metadata(path)["normalization"] == normalization
    read = load_decoder(path, "some encoder")
    assert read.normalization == normalization
    x = torch.randn(1, 512, 4, 4).relu()
    with torch.no_grad():
        torch.testing.assert_close(read(x), decoder(x), rtol=2e-2, atol=2e-2 if dtype == torch.float16 else 1e-6)


def test_decoders_of_version_1_0_0(decoder_file, tmp_path):
    """Their files say what the decoder is given; only AdaIN's output is left."""
    state, metadata = read_safetensors(decoder_file)
    save_file(state, tmp_path / "adain.safetensors", metadata | {"conditioning": "adain"})
    assert torch.equal(load_decoder(tmp_path / "adain.safetensors").c[0].weight, state["c.0.weight"])
    save_file(state, tmp_path / "both.safetensors", metadata | {"conditioning": "concatenation"})
    with pytest.raises(AdaINError, match="expected a decoder of AdaIN's output, found one of content and style"):
        load_decoder(tmp_path / "both.safetensors")
