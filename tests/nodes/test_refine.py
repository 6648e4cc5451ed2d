"""AdaIN Refine: the graph against the core, cancel, styles of 1.0.0."""

from __future__ import annotations

import pytest
import torch

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.inference.applications import Application
from adain_core.inference.pipeline import apply_style
from adain_core.inference.refinement import refine, refinement_goals

pytestmark = [pytest.mark.usefixtures("single_thread"), pytest.mark.slow]


@pytest.fixture
def photo(examples):
    return load_picture(examples / "content_chelsea.jpg").pixels[..., :75, :91].movedim(1, 3)


@pytest.fixture
def painting(examples):
    return load_picture(examples / "style_starry_night.jpg").pixels[..., 200:264, 200:272].movedim(1, 3)


@pytest.fixture
def graph(pack, photo, painting):
    """A function that runs the graph as ComfyUI does and gives what AdaIN Refine is given."""
    nodes = pack.NODE_CLASS_MAPPINGS

    @torch.inference_mode()
    def made(alpha=1.0, mask=None, channels=None):
        (encoder,) = nodes["AdaINEncoderLoader"]().load("vgg19_relu4_1.safetensors")
        (decoder,) = nodes["AdaINDecoderLoader"]().load("decoder_vgg19.safetensors")
        (content,) = nodes["AdaINVGGEncode"]().encode(encoder, photo.clone())
        (style,) = nodes["AdaINVGGEncode"]().encode(encoder, painting.clone())
        (features,) = nodes["AdaINApply"]().apply(content, style, alpha, mask, channels)
        (image,) = nodes["AdaINDecode"]().decode(decoder, features)
        return {"encoder": encoder, "image": image, "features": features, "style": style, "decoder": decoder}

    return made


@pytest.fixture
def module(pack):
    return __import__(pack.NODE_CLASS_MAPPINGS["AdaINRefine"].__module__, fromlist=["Refine"])


@torch.inference_mode()
def refined(module, given, **options):
    (image,) = module.Refine().refine(**given, **options)
    return image


def test_graph_and_one_node_equal_the_core(pack, module, graph, photo, painting):
    stylizer = Stylizer.load(device="cpu", pair="vgg19")
    expected = stylizer.stylize(photo.movedim(3, 1), painting.movedim(3, 1), alpha=0.6, refine=2)
    image = refined(module, graph(alpha=0.6), steps=2, alpha=0.6)
    torch.testing.assert_close(image.movedim(3, 1), expected, atol=1e-4, rtol=0)
    with torch.inference_mode():
        (one_node,) = pack.NODE_CLASS_MAPPINGS["AdaINStylize"]().stylize(photo, painting, 0.6, refine=2, pair="vgg19")
    torch.testing.assert_close(one_node, image, atol=1e-4, rtol=0)


def test_toward_the_style_in_some_channels(module, graph, photo, painting):
    channels = (torch.arange(512) % 4 == 0).float()
    stylizer = Stylizer.load(device="cpu", pair="vgg19")
    expected = stylizer.stylize(photo.movedim(3, 1), painting.movedim(3, 1), channels=channels, refine=2)
    image = refined(module, graph(channels=channels), steps=2, channels=channels)
    torch.testing.assert_close(image.movedim(3, 1), expected, atol=1e-4, rtol=0)


def test_without_a_decoder_it_changes_the_pixels(module, graph, photo, painting):
    given = graph() | {"decoder": None}
    stylizer = Stylizer.load(device="cpu", pair="vgg19")
    style = stylizer.style(painting.movedim(3, 1), layers=True)
    target = apply_style(stylizer.encode(photo.movedim(3, 1)), style)
    goals = refinement_goals(target, [Application(style)])
    expected = refine(stylizer.encoder, stylizer.decode(target), target, goals, 2)
    torch.testing.assert_close(refined(module, given, steps=2).movedim(3, 1), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_numbers_that_do_not_fit(module, graph, alpha):
    given = graph()
    three = given["features"]._replace(tensor=given["features"].tensor.repeat(3, 1, 1, 1))
    given |= {"features": three, "image": given["image"].repeat(3, 1, 1, 1)}
    style = given["style"].style
    two = style.__class__(style.statistics.__class__(*(x.repeat(2, 1) for x in style.statistics)), style.encoder_id)
    for name, value in (("style", two), ("mask", torch.ones(2, 75, 91))):
        with pytest.raises(ValueError, match=f"^{name}: expected a batch of 1 or of 3 like the content, found 2$"):
            refined(module, given | {name: value}, steps=1, alpha=alpha)
    with pytest.raises(ValueError, match=r"^channels: expected one weight for each of 512 channels, found \[192\]$"):
        refined(module, given, steps=1, channels=torch.ones(192))


def test_no_steps_change_nothing_and_an_empty_mask_is_none(module, graph):
    given = graph()
    torch.testing.assert_close(refined(module, given, steps=0), given["image"], atol=0, rtol=0)
    plain = refined(module, given, steps=1)
    torch.testing.assert_close(refined(module, given, steps=1, mask=torch.zeros(1, 64, 64)), plain, atol=0, rtol=0)


def test_cancel_keeps_what_it_has(module, graph, monkeypatch):
    class Cancelled(BaseException):
        pass

    previews = []

    def bar(total):
        def update(done, total, preview=None):
            if preview is not None:
                previews.append(preview.size)
            if len(previews) == 2:
                raise Cancelled

        return update

    given = graph()
    expected = refined(module, given, steps=2)
    monkeypatch.setattr(module.host, "CANCELLED", (Cancelled,))
    monkeypatch.setattr(module.host, "progress_bar", bar)
    changes = module.Refine.IS_CHANGED
    before, other = changes(node_id="5"), changes(node_id="6")
    torch.testing.assert_close(refined(module, given, steps=9, node_id="5"), expected, atol=1e-5, rtol=0)
    assert previews == [(91, 75)] * 2
    assert changes(node_id="5") != before  # the same again is refined again
    assert changes(node_id="6") == other


def test_cancel_before_the_first_step_is_a_cancel(module, graph, monkeypatch):
    class Cancelled(BaseException):
        pass

    def cancel(done, total, preview=None):
        raise Cancelled

    given = graph()
    monkeypatch.setattr(module.host, "CANCELLED", (Cancelled,))
    monkeypatch.setattr(module.host, "progress_bar", lambda total: cancel)
    with pytest.raises(Cancelled):
        refined(module, given, steps=9)
