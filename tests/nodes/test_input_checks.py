"""What other packs' nodes may hand over is refused in one line that says what is wrong with it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from tests.conftest import PACK

_IMAGE = torch.rand(1, 24, 32, 3)


@pytest.fixture(scope="module")
def call(pack):
    def run(node, **inputs):
        kind = pack.NODE_CLASS_MAPPINGS[node]
        return getattr(kind(), kind.FUNCTION)(**inputs)

    return run


@pytest.fixture(scope="module")
def light(call):
    """The light pair, and features of an image."""
    (encoder,) = call("AdaINEncoderLoader", encoder_name="light_encoder.safetensors")
    (decoder,) = call("AdaINDecoderLoader", decoder_name="light_decoder.safetensors")
    (features,) = call("AdaINVGGEncode", encoder=encoder, image=_IMAGE)
    return encoder, decoder, features


def test_an_image_of_bytes(call):
    with pytest.raises(ValueError, match=r"content: expected images, .* of floats, found .*\[1, 24, 32, 3\] of uint8$"):
        call("AdaINStylize", content=(_IMAGE * 255).byte(), style=_IMAGE, alpha=1.0, pair="light")


def test_an_encoder_for_a_decoder_and_the_other_way_round(call, light):
    encoder, decoder, features = light
    with pytest.raises(ValueError, match=r"^encoder: expected an encoder, found"):
        call("AdaINVGGEncode", encoder=decoder, image=_IMAGE)
    with pytest.raises(ValueError, match=r"^decoder: expected a decoder, found"):
        call("AdaINDecode", decoder=encoder, features=features)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_channels_that_are_not_finite(call, light, value):
    channels = torch.ones(192)
    channels[7] = value
    with pytest.raises(ValueError, match=r"^channels: expected finite values"):
        call("AdaINApply", content=light[2], style=light[2], alpha=1.0, channels=channels)


def test_a_way_to_choose_channels_that_there_is_not(call):
    with pytest.raises(ValueError, match=r"^choose_by: expected one of range, list, .*, found 'figures'$"):
        call("AdaINChannelMask", choose_by="figures", amount=1.0)


def test_refining_with_the_light_pair_says_what_it_needs(call, light):
    encoder, _, features = light
    with pytest.raises(ValueError, match=r"^refine: expected a VGG encoder"):
        call("AdaINRefine", encoder=encoder, image=_IMAGE, features=features, style=features, steps=1)


def test_what_another_pack_calls_a_video(call, pack, monkeypatch):
    given = {"style": _IMAGE, "alpha": 1.0, "smoothing": 0.5, "flow": True, "pair": "light"}
    with pytest.raises(ValueError, match=r"^content: expected a video, as Load Video gives it, found nothing$"):
        call("AdaINStylizeVideo", content=None, **given)
    monkeypatch.setattr(sys.modules[f"{PACK}.nodes.host"], "management", SimpleNamespace())
    with pytest.raises(ValueError, match=r"^content: expected a video, .*, found a value of type str$"):
        call("AdaINStylizeVideo", content="clip.mp4", **given)


def test_two_styles_for_one_image(call, light):
    (two,) = call("AdaINVGGEncode", encoder=light[0], image=_IMAGE.repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match=r"^style: expected a batch of 1 like the content, found 2$"):
        call("AdaINApply", content=light[2], style=two, alpha=1.0)
