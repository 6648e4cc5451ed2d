"""Images with a fourth channel: opacity is kept beside, and what nobody sees plays no part."""

from __future__ import annotations

import pytest
import torch

from adain_core import Stylizer
from adain_core.images.color import match_color
from adain_core.images.files import load_picture
from adain_core.images.transparency import fill, mean_color


@pytest.fixture
def nodes(pack):
    return pack.NODE_CLASS_MAPPINGS


@pytest.fixture
def photo(examples):
    return load_picture(examples / "content_chelsea.jpg").pixels[..., 60:124, 90:154].movedim(1, 3)


@pytest.fixture
def opacity():
    """Nothing, a soft edge, and all of it, from left to right."""
    return (torch.arange(64.0) / 16 - 1.5).clamp(0, 1).expand(1, 64, 64)[..., None]


def with_opacity(image, opacity):
    return torch.cat([image, opacity.expand(len(image), -1, -1, -1)], dim=3)


def run(nodes, kind, image, style):
    """What a node makes of an image."""
    if kind == "AdaINMatchColor":
        return nodes[kind]().match(image, style, "mean-covariance")[0]
    more = {"smoothing": 0.5, "flow": False} if kind == "AdaINStylizeFrames" else {}
    return nodes[kind]().stylize(image, style, 1.0, **more)[0]


@pytest.mark.parametrize("kind", ["AdaINStylize", "AdaINStylizeFrames", "AdaINMatchColor"])
def test_opacity_is_kept_and_hidden_colours_play_no_part(nodes, photo, opacity, kind):
    style = photo.flip(1) ** 2
    frames = torch.cat([photo, photo.flip(2)])
    given = with_opacity(frames, opacity)
    result = run(nodes, kind, given, style)
    assert torch.equal(result[..., 3:], opacity.expand(2, -1, -1, -1))
    hidden = torch.where(opacity > 0, frames, torch.tensor([1.0, 0.0, 1.0]))
    torch.testing.assert_close(run(nodes, kind, with_opacity(hidden, opacity), style), result, atol=1e-4, rtol=0)
    opaque = run(nodes, kind, with_opacity(frames, torch.ones_like(opacity)), style)
    assert torch.equal(opaque[..., :3], run(nodes, kind, frames, style))


def test_a_style_of_which_nothing_is_seen_elsewhere(nodes, photo, opacity):
    magenta = torch.where(opacity > 0, photo, torch.tensor([1.0, 0.0, 1.0]))
    results = [run(nodes, "AdaINStylize", photo, with_opacity(style, opacity)) for style in (photo, magenta)]
    torch.testing.assert_close(*results, atol=1e-4, rtol=0)
    assert results[0].shape[3] == 3


@pytest.mark.parametrize("kind", ["AdaINStylize", "AdaINStylizeFrames", "AdaINMatchColor"])
def test_the_very_image_comes_back_where_it_is_transparent_too(nodes, photo, opacity, kind):
    given = with_opacity(photo, opacity)
    node = nodes[kind]()
    if kind == "AdaINMatchColor":
        (same,) = node.match(given, photo**2, "mean-covariance", strength=0.0)
    else:
        more = {"smoothing": 0.5, "flow": True} if kind == "AdaINStylizeFrames" else {}
        (same,) = node.stylize(given, photo**2, 0.0, **more)
    assert torch.equal(same, given)


@pytest.fixture
def core():
    return Stylizer.load(device="cpu")


def seen(image, opacity):
    """An image's pixels and opacity as the core has them."""
    pixels, weights = image.movedim(3, 1), opacity.movedim(3, 1)
    return fill(pixels, weights, mean_color(pixels, weights)), weights[:, 0]


@pytest.mark.parametrize("preserve_color", [False, True])
def test_of_a_style_counts_what_is_seen_as_in_the_core(nodes, core, photo, opacity, preserve_color):
    other = photo.flip(1) ** 2
    given = {"content": with_opacity(other, opacity.flip(1, 2)), "style": with_opacity(photo, opacity)}
    (found,) = nodes["AdaINStylize"]().stylize(**given, alpha=1.0, preserve_color=preserve_color)
    (pixels, weights), (painting, mask) = seen(other, opacity.flip(1, 2)), seen(photo, opacity)
    colors = {"colors": pixels, "colors_opacity": weights[0]} if preserve_color else {}
    style = core.style(painting, mask, **colors)
    expected = core.stylize(pixels, style, opacity=weights)
    torch.testing.assert_close(found[..., :3], expected.movedim(1, 3), atol=1e-4, rtol=0)


def test_vgg_encode_takes_statistics_of_what_is_seen(nodes, core, photo, opacity):
    (encoder,) = nodes["AdaINEncoderLoader"]().load("fine_encoder.safetensors")
    mask = torch.ones(1, 64, 64)
    mask[:, 32:] = 0
    image = with_opacity(photo, opacity)
    filled, weights = seen(photo, opacity)
    for given, expected in ((None, weights), (mask, mask * weights)):
        (found,) = nodes["AdaINVGGEncode"]().encode(encoder, image, given)
        for values, wanted in zip(found.statistics, core.style(filled, expected).statistics, strict=True):
            torch.testing.assert_close(values, wanted, atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="mask: expected a batch of 1 like the image, found 2"):
        nodes["AdaINVGGEncode"]().encode(encoder, image, mask.repeat(2, 1, 1))


def test_fit_style_begins_at_what_is_seen(nodes, photo, opacity):
    (encoder,) = nodes["AdaINEncoderLoader"]().load("fine_encoder.safetensors")
    (decoder,) = nodes["AdaINDecoderLoader"]().load("fine_decoder.safetensors")
    image = with_opacity(photo, opacity)
    (style,) = nodes["AdaINFitStyle"]().fit(encoder, decoder, image, 0)
    (features,) = nodes["AdaINVGGEncode"]().encode(encoder, image)
    for values, wanted in zip(style.layers()[::3], features.style.layers()[::3], strict=True):
        torch.testing.assert_close(values.mean, wanted.mean[:, : values.mean.shape[1]], atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(values.std, wanted.std[:, : values.std.shape[1]], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("method", ["mean-covariance", "histogram"])
def test_match_color_counts_what_is_seen(nodes, photo, opacity, method):
    other = photo.flip(2) ** 2
    given = with_opacity(photo, opacity), with_opacity(other, opacity.flip(1))
    (found,) = nodes["AdaINMatchColor"]().match(*given, method)
    (pixels, weights), (reference, others) = seen(photo, opacity), seen(other, opacity.flip(1))
    expected = match_color(pixels, reference, method, weights, others)
    torch.testing.assert_close(found[..., :3], expected.movedim(1, 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_in_half_precision_and_with_nothing_to_see(nodes, photo, opacity, dtype):
    assert run(nodes, "AdaINStylize", with_opacity(photo, opacity).to(dtype), photo).isfinite().all()
    unseen = with_opacity(photo, torch.zeros_like(opacity))
    result = run(nodes, "AdaINStylize", unseen, photo)
    torch.testing.assert_close(result[..., :3], run(nodes, "AdaINStylize", photo, photo), atol=1e-4, rtol=0)
    assert not result[..., 3].any()
