"""Initial weights."""

from __future__ import annotations

import pytest
import torch

from adain_core.training.optimization.initialization import new_decoder, scale_to_unit_variance

pytestmark = pytest.mark.usefixtures("single_thread")


def test_new_decoders_have_unit_variance_in_every_layer(encoder):
    features = encoder(torch.rand(4, 3, 64, 64)).detach()
    decoder = new_decoder("vgg19", "none", seed=3)
    scale_to_unit_variance(decoder, features)
    outputs = []
    for convolution in decoder.c:
        convolution.register_forward_hook(lambda _module, _input, output: outputs.append(output.detach().clone()))
    with torch.no_grad():
        decoder(features)
    assert len(outputs) == len(decoder.c)
    for output in outputs[:-1]:
        assert output.std().item() == pytest.approx(1, abs=1e-3)
        assert output.mean().item() == pytest.approx(0, abs=1e-3)
    assert outputs[-1].mean().item() == pytest.approx(0.45, abs=1e-3)


def test_new_decoders_follow_the_seed_and_leave_the_random_state_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("seeded the GPUs"))
    before = torch.get_rng_state()
    first, again, other = (new_decoder("vgg19", "none", seed).c[0].weight for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
