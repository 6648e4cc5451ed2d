"""Muon against the singular value decomposition and against torch.optim's."""

from __future__ import annotations

import pytest
import torch

from adain_core.training.optimization.muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_orthogonalize_keeps_singular_vectors_and_levels_singular_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalize(matrix)
    inside = left.T @ found @ right.T  # diagonal when the singular vectors are the same
    large = values > 0.2 * values.max()
    assert ((inside.diagonal()[large] - 1).abs() < 0.35).all()
    assert (inside - inside.diagonal().diag()).abs().max() < 0.08
    assert found.dtype == torch.float32


def kernel(seed=0):
    return torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(seed))


def test_a_step_has_its_share_of_the_weights_norm():
    weight = kernel().requires_grad_()
    before = weight.detach().clone()
    weight.grad = kernel(1) * 1e-4  # the gradient's size does not matter
    Muon([weight], lr=0.01).step()
    assert ((weight - before).norm() / before.norm()).item() == pytest.approx(0.01, rel=1e-3)


def test_direction_is_that_of_torchs_muon():
    reference = getattr(torch.optim, "Muon", None)
    if reference is None:
        pytest.skip("this PyTorch has no torch.optim.Muon")
    ours, theirs = kernel().requires_grad_(), kernel().flatten(1).requires_grad_()
    optimizers = Muon([ours], lr=0.01), reference([theirs], lr=0.01, weight_decay=0.0)
    for step in range(3):
        before = ours.detach().clone().flatten(1), theirs.detach().clone()
        ours.grad = kernel(step + 1)
        theirs.grad = kernel(step + 1).flatten(1)
        for optimizer in optimizers:
            optimizer.step()
        moves = ours.detach().flatten(1) - before[0], theirs.detach() - before[1]
        assert torch.cosine_similarity(moves[0].flatten(), moves[1].flatten(), dim=0) > 0.999


def test_memory_format_changes_nothing():
    plain = kernel().requires_grad_()
    last = kernel().contiguous(memory_format=torch.channels_last).requires_grad_()
    for weight in (plain, last):
        weight.grad = torch.empty_like(weight).copy_(kernel(1))
        Muon([weight], lr=0.01).step()
    torch.testing.assert_close(plain, last, rtol=1e-5, atol=1e-6)


def test_state_goes_through_a_state_dict():
    def run(interrupted):
        weight = kernel().requires_grad_()
        optimizer = Muon([weight], lr=0.01)
        for step in range(4):
            if interrupted and step == 2:
                state = optimizer.state_dict()
                optimizer = Muon([weight], lr=0.01)
                optimizer.load_state_dict(state)
            weight.grad = kernel(step + 1)
            optimizer.step()
        return weight

    assert torch.equal(run(False), run(True))
