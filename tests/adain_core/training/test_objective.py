"""The loss of a batch against its parts put together by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from adain_core.method.losses import content_loss, gram_matrix, gram_style_loss, style_loss
from adain_core.method.normalization import adaptive_instance_norm, channel_statistics
from adain_core.models.bundled import VGG19_DECODER
from adain_core.models.decoder import Decoder
from adain_core.models.model_files import load_decoder
from adain_core.training.config import TrainingConfig
from adain_core.training.data.samples import Batch
from adain_core.training.objective import Objective
from adain_core.training.regularizers import anchor_loss, color_loss, grid_loss, range_loss, reconstruction_loss

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture
def decoder():
    return load_decoder(VGG19_DECODER).requires_grad_(True)


@pytest.fixture
def batch():
    content, style = torch.rand(4, 3, 32, 32), torch.rand(4, 3, 32, 32)
    identity = torch.tensor([False, True, False, False])
    style[1] = content[1]
    return Batch(content, style, identity, (0, 32), {})


def by_hand(encoder, decoder, batch):
    with torch.no_grad():
        style = encoder.taps(batch.style)
        target = adaptive_instance_norm(encoder(batch.content), channel_statistics(style[-1]))
    output = decoder(target)
    return output, encoder.taps(output), style, target


def config(**values):
    return TrainingConfig(**({"precision": "float32"} | values))


def test_the_papers_loss(encoder, decoder, batch):
    _, found, style, target = by_hand(encoder, decoder, batch)
    content = content_loss(found[-1], target)
    look = style_loss(found, [channel_statistics(tap) for tap in style])
    total, terms = Objective(encoder, config())(decoder, batch)
    torch.testing.assert_close(total, content + 10 * look)
    torch.testing.assert_close(terms["content"], content.detach())
    torch.testing.assert_close(terms["style"], look.detach())
    layers = torch.stack([terms[f"style relu{k}_1"] for k in (1, 2, 3, 4)])
    torch.testing.assert_close(layers.sum(), look.detach())
    total.backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in decoder.parameters())
    assert all(weight.grad is None for weight in encoder.parameters())


def test_gram_and_layer_weights(encoder, decoder, batch):
    _, found, style, target = by_hand(encoder, decoder, batch)
    weights = (3.0, 2.0, 0.7, 1.0)
    expected = content_loss(found[-1], target) + 2 * gram_style_loss(found, [gram_matrix(s) for s in style], weights)
    objective = Objective(encoder, config(style_loss="gram", style_weight=2.0, style_layers=weights))
    torch.testing.assert_close(objective(decoder, batch)[0], expected)


@pytest.mark.parametrize("weights", [(0.0, 0.0, 0.0, 0.5), (0.3, 0.0, 2.0, 0.5)])
def test_content_layers(encoder, decoder, batch, weights):
    """At the first three layers AdaIN of the content's features, in the style's deviations."""
    _, found, style, target = by_hand(encoder, decoder, batch)
    terms = [weights[3] * content_loss(found[-1], target)]
    for weight, x, c, s in zip(weights[:3], found, encoder.taps(batch.content), style, strict=False):
        looks = channel_statistics(s)
        error = (x - adaptive_instance_norm(c, looks)) / (looks.std.square() + 0.05).sqrt()[..., None, None]
        terms.append(weight * error.square().mean())
    expected = 3 * sum(terms) + 10 * style_loss(found, [channel_statistics(s) for s in style])
    objective = Objective(encoder, config(content_weight=3.0, content_layers=weights))
    torch.testing.assert_close(objective(decoder, batch)[0], expected, rtol=1e-4, atol=1e-4)


def test_every_guard_with_its_weight(encoder, decoder, batch):
    output, found, style, target = by_hand(encoder, decoder, batch)
    chosen, others = torch.tensor([1]), torch.tensor([0, 2, 3])
    anchor = Decoder().requires_grad_(False)
    parts = {
        "identity_share": (0.25, 0.0),
        "reconstruction_weight": (3.0, reconstruction_loss(output, batch.content, chosen)),
        "feature_weight": (5.0, sum(reconstruction_loss(f, s, chosen) for f, s in zip(found[:3], style, strict=False))),
        "range_weight": (7.0, range_loss(output)),
        "color_weight": (11.0, color_loss(output, batch.style)),
        "grid_weight": (12.0, grid_loss(output)),
        "anchor_weight": (13.0, anchor_loss(output, anchor(target), others)),
    }
    with_regularizers = config(**{name: weight for name, (weight, _) in parts.items()})
    expected = content_loss(found[-1], target) + 10 * style_loss(found, [channel_statistics(s) for s in style])
    expected = expected + sum(weight * loss for weight, loss in parts.values())
    torch.testing.assert_close(Objective(encoder, with_regularizers, anchor)(decoder, batch)[0], expected)


def test_an_autoencoder_does_not_encode_its_output(encoder, decoder, batch):
    seen = []
    encoder.c[0].register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    plain = config(content_weight=0, style_weight=0, identity_share=1, reconstruction_weight=2)
    batch.identity[:] = True
    batch = Batch(batch.content, batch.content, batch.identity, (0, 32), {})
    total, terms = Objective(encoder, plain)(decoder, batch)
    assert not any(seen)
    output = decoder(encoder(batch.content))
    torch.testing.assert_close(total, 2 * (output - batch.content).square().mean(), rtol=1e-3, atol=1e-6)
    assert terms.keys() == {"total", "reconstruction"}


def test_bfloat16_is_close_and_keeps_weights_and_losses_in_float32(encoder, decoder, batch):
    exact, _ = Objective(encoder, config())(decoder, batch)
    rough, terms = Objective(encoder, config(precision="bfloat16"))(decoder, batch)
    assert rough.item() == pytest.approx(exact.item(), rel=0.03)
    assert rough.item() != exact.item()
    assert {term.dtype for term in terms.values()} == {torch.float32}
    rough.backward()
    assert {weight.grad.dtype for weight in decoder.parameters()} == {torch.float32}
    assert next(encoder.parameters()).dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("identity", [[], [1], [0, 1, 2, 3]], ids=["none", "one", "all"])
@pytest.mark.parametrize("style_loss", ["mean-std", "gram"])
def test_styles_seen_before_are_not_encoded_again(encoder, decoder, batch, identity, style_loss):
    settings = config(style_loss=style_loss, identity_share=0.5, reconstruction_weight=1.0)
    batch.identity[:] = False
    batch.identity[identity] = True
    seen = []

    def following():
        content = torch.rand(4, 3, 32, 32)
        return replace(batch, content=content, style=torch.where(mask, content, batch.style))

    mask = batch.identity[:, None, None, None]
    objective, second = Objective(encoder, settings), following()
    with torch.no_grad():
        objective(decoder, following())
        expected, _ = Objective(encoder, settings)(decoder, second)
        hook = encoder.c[0].register_forward_hook(lambda _module, given, _output: seen.append(len(given[0])))
        found, _ = objective(decoder, second)
        hook.remove()
        assert torch.equal(found, expected)
        assert seen == [4, 4]  # the content and the output
        other = replace(second, style=torch.rand(4, 3, 32, 32), styles=(1, 32))
        expected, _ = Objective(encoder, settings)(decoder, other)
        assert torch.equal(objective(decoder, other)[0], expected)
