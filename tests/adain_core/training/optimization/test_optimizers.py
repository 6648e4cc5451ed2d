"""Which optimizer has which parameters, and at which learning rate."""

from __future__ import annotations

import pytest
import torch

from adain_core.models.decoder import Decoder
from adain_core.training.optimization.muon import Muon
from adain_core.training.optimization.optimizers import make_optimizers, set_learning_rate


def ids(parameters):
    return sorted(map(id, parameters))


def test_adam_has_everything():
    decoder = Decoder(normalization="instance")
    (adam,) = make_optimizers(decoder, "adam")
    (group,) = adam.param_groups
    assert ids(group["params"]) == ids(decoder.parameters())


def test_muon_has_the_kernels_but_the_last():
    decoder = Decoder(normalization="instance")
    muon, adam = make_optimizers(decoder, "muon")
    assert isinstance(muon, Muon)
    assert isinstance(adam, torch.optim.Adam)
    (kernels,), (others,) = muon.param_groups, adam.param_groups
    assert [weight.shape for weight in kernels["params"]] == [c.weight.shape for c in list(decoder.c)[:-1]]
    assert ids(kernels["params"] + others["params"]) == ids(decoder.parameters())
    assert any(weight is decoder.c[8].weight for weight in others["params"])
    set_learning_rate([muon, adam], 0.01)
    assert (kernels["lr"], others["lr"]) == (0.01, pytest.approx(0.003))
