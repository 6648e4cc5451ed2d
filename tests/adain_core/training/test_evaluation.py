"""The figures of a decoder against closed forms and a direct computation."""

from __future__ import annotations

import math

import pytest
import torch

from adain_core import Stylizer
from adain_core.method.losses import content_loss, style_terms
from adain_core.method.normalization import adaptive_instance_norm, channel_statistics
from adain_core.models.decoder import Decoder
from adain_core.training.evaluation import evaluate, psnr

pytestmark = pytest.mark.usefixtures("single_thread")


def test_psnr():
    image = torch.full((2, 3, 8, 8), 0.5)
    other = image + torch.tensor([0.1, 0.01])[:, None, None, None]
    torch.testing.assert_close(psnr(other, image), torch.tensor([20.0, 40.0]), rtol=1e-4, atol=0)
    assert math.isfinite(psnr(image, image)[0])


def test_equals_the_pipeline_and_the_losses():
    stylizer = Stylizer.load(device="cpu", pair="vgg19")
    content, style = torch.rand(3, 3, 40, 40), torch.rand(3, 3, 40, 40)
    found = evaluate(stylizer.encoder, stylizer.decoder, content, style)
    outputs = stylizer.stylize(content, style)
    torch.testing.assert_close(found.outputs, outputs, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        taps, looks = stylizer.encoder.taps(outputs), stylizer.encoder.taps(style)
        target = adaptive_instance_norm(stylizer.encoder(content), channel_statistics(looks[-1]))
        terms = style_terms(taps, [channel_statistics(look) for look in looks])
    assert found.content == pytest.approx(content_loss(taps[-1], target).item(), rel=1e-3)
    assert found.style == pytest.approx([term.item() for term in terms], rel=1e-3)
    again = stylizer.decode(stylizer.encode(content))
    assert found.psnr == pytest.approx(psnr(again, content).mean().item(), abs=0.01)


def test_a_pair_in_half_precision_is_measured_in_float32_and_left_as_it_is():
    plain, half = (Stylizer.load(device="cpu", pair="light", precision=name) for name in ("float32", "float16"))
    content, style = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    expected = evaluate(plain.encoder, plain.decoder, content, style).figures()
    assert evaluate(half.encoder, half.decoder, content, style).figures() == expected  # as the files are
    assert next(half.decoder.parameters()).dtype == torch.float16


def test_another_encoder_is_measured_by_the_bundled_vgg():
    stylizer, vgg = Stylizer.load(device="cpu", pair="light"), Stylizer.load(device="cpu", pair="vgg19").encoder
    content, style = torch.rand(2, 3, 40, 40), torch.rand(2, 3, 40, 40)
    found = evaluate(stylizer.encoder, stylizer.decoder, content, style)
    outputs = stylizer.stylize(content, style)
    torch.testing.assert_close(found.outputs, outputs, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        taps, looks = vgg.taps(outputs), vgg.taps(style)
        wanted = adaptive_instance_norm(vgg(content), channel_statistics(looks[-1]))
        terms = style_terms(taps, [channel_statistics(look) for look in looks])
    assert found.content == pytest.approx(content_loss(taps[-1], wanted).item(), rel=1e-3)
    assert found.style == pytest.approx([term.item() for term in terms], rel=1e-3)


def test_batch_normalization_is_measured_with_its_running_statistics():
    stylizer = Stylizer.load(device="cpu", pair="vgg19")
    decoder = Decoder(normalization="batch").train()
    before = decoder.n[0].running_mean.clone()
    evaluate(stylizer.encoder, decoder, torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    assert decoder.training
    assert torch.equal(decoder.n[0].running_mean, before)
