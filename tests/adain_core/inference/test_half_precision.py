"""Styles far beyond those of pictures, as Style Arithmetic makes them, in float16: features leave its range."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from adain_core.images.files import load_picture
from adain_core.inference.applications import Application
from adain_core.inference.pipeline import apply_regions, apply_style, decode, encode
from adain_core.inference.tiled_image import ImageInMemory, stylize_stream
from adain_core.method.style_arithmetic import toward
from adain_core.models.bundled import load_pair

pytestmark = pytest.mark.usefixtures("single_thread")
LARGEST = torch.finfo(torch.float16).max


@pytest.fixture
def photo(examples):
    return load_picture(examples / "content_chelsea.jpg").pixels[..., 60:124, 90:154]


@pytest.fixture
def models():
    """In float32, and in float16."""
    return load_pair(pair="vgg19"), [model.half() for model in load_pair(pair="vgg19")]


@pytest.fixture
def features(models, photo):
    """The photo's, by both encoders."""
    return [encode(encoder, photo) for encoder, _ in models]


@pytest.fixture
def style(models, features, examples):
    painting = load_picture(examples / "style_starry_night.jpg").pixels[..., 100:164, 100:164]
    return toward(encode(models[0][0], painting).style, [features[0].style], [-3.0])


@pytest.mark.parametrize("how", ["everywhere", "in a mask", "in regions"])
def test_the_picture_is_that_of_float32(models, features, style, how):
    mask = torch.zeros(1, 64, 64)
    mask[..., 24:] = 1

    def made(decoder, content):
        if how == "in regions":
            target = apply_regions(content, [style, content.style], [mask, 1 - mask], 0.9)
        else:
            target = apply_style(content, style, 0.9, mask=mask if how == "in a mask" else None)
        return target.tensor, decode(decoder, target)

    (wide, expected), (narrow, found) = (made(pair[1], each) for pair, each in zip(models, features, strict=True))
    assert wide.abs().max() > LARGEST
    assert narrow.dtype == torch.float32
    assert (found - expected).abs().mean() < 0.01


def test_in_tiles(models, features, photo, style):
    encoder, decoder = models[1]
    stylizer = SimpleNamespace(device=torch.device("cpu"), encoder=encoder, decoder=decoder)
    sink = ImageInMemory(torch.full_like(photo, torch.nan))
    stylize_stream(stylizer, ImageInMemory(photo), sink, [Application(style)], tile_size=64)
    expected = decode(models[0][1], apply_style(features[0], style))
    assert (sink.pixels.clamp(0, 1) - expected).abs().mean() < 0.01


def test_what_float16_holds_stays_in_it(models, features):
    target = apply_style(features[1], features[0].style, 0.5)
    assert target.tensor.dtype == torch.float16
    expected = decode(models[0][1], apply_style(features[0], features[0].style, 0.5))
    assert (decode(models[1][1], target) - expected).abs().mean() < 0.01
