from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from adain_core.cli.main import main
from adain_core.models.bundled import PAIRS
from adain_core.models.decoder import Decoder
from adain_core.models.model_files import load_decoder, load_encoder
from adain_core.models.tensor_files import read_metadata
from tests.adain_core.pictures import write_pictures


@pytest.fixture
def vgg(tmp_path):
    """A file of torchvision's layout, with weights that keep the signal's scale from layer to layer."""
    layers = make_layers(cfgs["D"], batch_norm=False)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    state = layers.state_dict()
    torch.save({f"features.{key}": value for key, value in state.items()}, tmp_path / "vgg16.pth")
    return tmp_path / "vgg16.pth"


@pytest.mark.slow
def test_an_encoder_and_its_decoder(vgg, tmp_path, capsys):
    images, out = write_pictures(tmp_path / "images", 2), tmp_path / "vgg.safetensors"
    (images / "broken.jpg").write_bytes(b"no image")
    command = ["import", str(vgg), "-o", str(out), "--normalize", str(images), "--half", "--license", "CC0"]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert load_encoder(out).fingerprint in told
    assert f"skipped {images / 'broken.jpg'}" in told
    metadata = read_metadata(out)
    assert (metadata["normalized_over"], metadata["license"], metadata["source"]) == ("2 images", "CC0", "vgg16.pth")
    assert out.stat().st_size < 8_000_000
    torch.save(nn.Sequential(*Decoder("vgg16").c).state_dict(), tmp_path / "decoder.pth")
    command = ["import", str(tmp_path / "decoder.pth"), "-o", str(tmp_path / "d.safetensors")]
    assert main(command) == 2
    assert "expected --encoder FILE with a decoder" in capsys.readouterr().err
    assert main([*command, "--encoder", str(out)]) == 0
    assert load_decoder(tmp_path / "d.safetensors").trained_for == load_encoder(out).fingerprint


def test_a_decoder_of_other_channels_than_its_encoder(tmp_path, capsys):
    """It would pass for the encoder's own until it decodes."""
    torch.save(nn.Sequential(*Decoder().c).state_dict(), tmp_path / "decoder.pth")
    out = tmp_path / "d.safetensors"
    assert main(["import", str(tmp_path / "decoder.pth"), "-o", str(out), "--encoder", str(PAIRS["fine"].encoder)]) == 2
    told = "expected the encoder of this decoder, whose features have 512 channels, found one of 1088"
    assert told in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("out", "folder", "message"),
    [
        ("vgg.pth", None, "vgg.pth: expected a name ending in .safetensors"),
        ("vgg.safetensors", "none", "none: expected a folder of images, found nothing"),
        ("vgg.safetensors", "broken", "broken: expected usable images, found 1 that are not"),
    ],
)
def test_mistakes_write_nothing(vgg, tmp_path, capsys, out, folder, message):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"no image")
    arguments = [] if folder is None else ["--normalize", str(tmp_path / folder)]
    assert main(["import", str(vgg), "-o", str(tmp_path / out), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / out).exists()


def test_what_is_imported_is_not_written_over(tmp_path, capsys):
    source = tmp_path / "foreign.safetensors"
    source.write_bytes(b"weights of another project")
    for arguments in ([str(source)], [str(tmp_path / "decoder.pth"), "--encoder", str(source)]):
        assert main(["import", *arguments, "-o", str(source)]) == 2
        assert "expected another file than those it is made of" in capsys.readouterr().err
    assert source.read_bytes() == b"weights of another project"
