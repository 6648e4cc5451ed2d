"""Fit Style as a bank, Style Bank, and Pick Style."""

from __future__ import annotations

import pytest
import torch

from adain_core.images.files import load_picture


@pytest.fixture(scope="module")
def nodes(pack):
    return pack.NODE_CLASS_MAPPINGS


@pytest.fixture(scope="module")
def bank(nodes, examples):
    (encoder,) = nodes["AdaINEncoderLoader"]().load("vgg19_relu4_1.safetensors")
    (decoder,) = nodes["AdaINDecoderLoader"]().load("decoder_vgg19.safetensors")
    pixels = load_picture(examples / "style_starry_night.jpg").pixels[..., :48, :64].movedim(1, 3)
    (style,) = nodes["AdaINFitStyle"]().fit(encoder, decoder, torch.cat([pixels, pixels.flip(3)]), 1, bank=True)
    return style


def test_one_style_for_each_image(nodes, bank):
    assert bank.batch == 2
    (second,) = nodes["AdaINPickStyle"]().pick(bank, 1)
    assert torch.equal(second.statistics.mean, bank.statistics.mean[1:])
    (half,) = nodes["AdaINPickStyle"]().pick(bank, 0, " 1, 1 ")
    torch.testing.assert_close(half.statistics.std[0], bank.statistics.std.mean(dim=0))


def test_a_bank_joined_of_styles(nodes, bank):
    (one,) = nodes["AdaINPickStyle"]().pick(bank, 1)
    (three,) = nodes["AdaINStyleBank"]().join(style_1=one, style_4=bank)
    assert torch.equal(three.statistics.mean, bank.statistics.mean[[1, 0, 1]])
    assert torch.equal(three.statistics.std, bank.statistics.std[[1, 0, 1]])


def test_mistakes(nodes, bank):
    with pytest.raises(ValueError, match=r"weights: expected numbers such as 1 0\.5 0, found 'a b'"):
        nodes["AdaINPickStyle"]().pick(bank, 0, "a b")
    with pytest.raises(ValueError, match="number: expected one from 0 to 1"):
        nodes["AdaINPickStyle"]().pick(bank, 2)
