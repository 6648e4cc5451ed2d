"""Concatenation instead of AdaIN, against the same training written down plainly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from adain_core.method.losses import content_loss, style_loss
from adain_core.method.normalization import adaptive_instance_norm, channel_statistics
from adain_core.models.bundled import VGG19_ENCODER
from adain_core.models.model_files import load_encoder
from adain_core.training.config import TrainingConfig
from adain_core.training.data.batches import stream
from adain_core.training.data.image_sets import TrainingImages
from benchmarks.ablations import ConcatenationDecoder, curve, measure, train_concatenation
from tests.adain_core.pictures import write_pictures

pytestmark = pytest.mark.usefixtures("single_thread")

CONFIG = TrainingConfig(
    steps=3, batch_size=2, crop_sizes=((0, 32),), resize=(32, 40), precision="float32", style_reuse=2, clip=5.0
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("images")
    return write_pictures(base / "content", 6), write_pictures(base / "style", 5, seed=1)


@pytest.fixture
def encoder():
    return load_encoder(VGG19_ENCODER)


def sequential(decoder):
    """The decoder's layers once more, as a plain network on the same weights."""
    layers: list[nn.Module] = []
    for k, convolution in enumerate(decoder.c):
        plain = nn.Conv2d(convolution.in_channels, convolution.out_channels, 3)
        plain.weight, plain.bias = convolution.weight, convolution.bias
        layers += [nn.ReflectionPad2d(1), plain, *([nn.ReLU()] if k < 8 else [])]
        layers += [nn.Upsample(scale_factor=2)] if k in (0, 4, 6) else []
    return nn.Sequential(*layers)


def test_the_decoder_takes_both_features():
    decoder = ConcatenationDecoder(seed=1)
    features = torch.randn(1, 1024, 3, 4)
    with torch.no_grad():
        torch.testing.assert_close(decoder(features), sequential(decoder)(features))
        other = features.clone()
        other[:, 512:] += 1  # the style's
        assert not torch.equal(decoder(other), decoder(features))
    again = ConcatenationDecoder(seed=1)
    assert all(torch.equal(a, b) for a, b in zip(decoder.parameters(), again.parameters(), strict=True))
    assert not torch.equal(decoder.c[0].weight, ConcatenationDecoder(seed=2).c[0].weight)


@pytest.mark.slow
def test_training_is_the_papers(encoder, folders):
    trained, history = train_concatenation(encoder, CONFIG, *folders)
    # A learning rate too small to change anything gives the decoder it began with.
    plain, _ = train_concatenation(encoder, replace(CONFIG, steps=1, learning_rate=1e-30), *folders)
    begin = {name: weight.clone() for name, weight in plain.state_dict().items()}
    network, optimizer, losses = sequential(plain), torch.optim.Adam(plain.parameters()), []
    for step, batch in enumerate(stream(TrainingImages.read(*folders, CONFIG).pairs, range(3), workers=0)):
        optimizer.param_groups[0]["lr"] = CONFIG.learning_rate / (1 + CONFIG.decay * step)
        with torch.no_grad():
            content, style = encoder(batch.content), encoder.taps(batch.style)
            target = adaptive_instance_norm(content, channel_statistics(style[-1]))
        found = encoder.taps(network(torch.cat([content, style[-1]], dim=1)))
        loss = content_loss(found[-1], target) + 10 * style_loss(found, [channel_statistics(tap) for tap in style])
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), CONFIG.clip)
        optimizer.step()

    assert history.column("total") == pytest.approx(losses, rel=0.02)

    def way(decoder):
        return torch.cat([(decoder.state_dict()[name] - weight).flatten() for name, weight in begin.items()])

    # Rounding differs, and Adam's first steps (g / |g|) carry that into weights whose gradient is nearly 0.
    assert (way(trained) - way(plain)).norm() < 0.08 * way(plain).norm()


def test_figures_are_means_over_pairs(encoder):
    decoder = ConcatenationDecoder(seed=1).eval()
    content, style = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    together = torch.tensor(measure(encoder, decoder, content, style))
    apart = [torch.tensor(measure(encoder, decoder, content[k : k + 1], style[k : k + 1])) for k in range(2)]
    torch.testing.assert_close(together, torch.stack(apart).mean(dim=0))
    with torch.no_grad():
        features = encoder(content)
        again = decoder(torch.cat([features, features], dim=1)).clamp(0, 1)
    errors = (again - content).square().flatten(1).mean(dim=1)
    assert together[2].item() == pytest.approx((-10 * errors.log10()).mean().item(), rel=1e-4)


def test_curves_are_means_with_their_range():
    line = curve([[4.0, 4.0, 4.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    assert list(line.x) == [1, 2, 3]
    assert list(line.y) == pytest.approx([2.0] * 3)
    assert (list(line.low), list(line.high)) == (pytest.approx([1.0] * 3), pytest.approx([4.0] * 3))
