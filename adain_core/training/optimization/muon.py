"""Muon: momentum made orthogonal, with steps in proportion to the weights' norm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

# Coefficients of the quintic Newton-Schulz iteration (Jordan et al., "Muon", 2024, kellerjordan.github.io/posts/muon).
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Muon for convolution kernels, each seen as a matrix ``[out, in * 9]``.

    ``m <- momentum * m + (1 - momentum) * g``, ``u = orthogonal((1 - momentum) * g + momentum * m)``,
    ``w <- w - lr * |w| / |u| * u``. Unlike torch.optim.Muon, the step's length is a fraction of the weight's norm, so
    that one learning rate suits every layer, and kernels need no reshaping.

    Args:
        params: parameters of two or more dimensions, or groups of them.
        lr: the fraction of its norm a kernel moves in one step.
        momentum: share of the past.
        keep_norm: scale each kernel back to the norm it had. Without it kernels grow, the faster the larger the rate,
            where nothing holds against it, as in networks whose features have no fixed scale.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0.95,
        keep_norm: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "keep_norm": keep_norm})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # without closures
        """One step with the gradients that the parameters have."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                gradient = weight.grad.flatten(1)
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(gradient)
                momentum = state["momentum"]
                momentum.lerp_(gradient, 1 - group["momentum"])
                update = orthogonalize(gradient.lerp(momentum, group["momentum"]))
                norm = weight.norm()
                length = group["lr"] * norm / update.norm().clamp(min=1e-7)
                weight.sub_((length * update).view(weight.shape))
                if group["keep_norm"]:
                    weight.mul_(norm / weight.norm().clamp(min=1e-7))


def orthogonalize(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors and all singular values near 1, by Newton-Schulz iteration in bfloat16.

    Args:
        matrix: ``[rows, columns]``.

    Returns:
        The same shape and type. Singular values lie in about 0.7..1.2; those that were nearly 0 stay smaller.
    """
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    result: Tensor = (x.T if tall else x).to(matrix.dtype)
    return result
