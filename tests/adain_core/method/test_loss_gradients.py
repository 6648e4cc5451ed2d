"""Gradients in parts against autograd on the whole."""

from __future__ import annotations

import torch

from adain_core.method.loss_gradients import content_gradient, style_gradient
from adain_core.method.losses import content_loss
from adain_core.method.normalization import Statistics, channel_statistics


def test_content_gradient_is_that_of_the_loss():
    x, t = torch.randn(2, 1, 5, 6, 7, dtype=torch.double)
    x.requires_grad_()
    (expected,) = torch.autograd.grad(content_loss(x, t), x)
    parts = [content_gradient(x.detach()[..., part], t[..., part], 42) for part in (slice(0, 3), slice(3, 7))]
    torch.testing.assert_close(torch.cat(parts, dim=3), expected)


def test_style_gradient_is_that_of_the_loss_inside_a_mask_and_without():
    x = torch.randn(1, 5, 6, 7, dtype=torch.double, requires_grad=True)
    target = Statistics(torch.randn(1, 5, dtype=torch.double), torch.rand(1, 5, dtype=torch.double) + 0.5)
    for mask in (None, torch.rand(1, 6, 7, dtype=torch.double)):
        found = channel_statistics(x, mask)
        share = 1.0 if mask is None else float(mask.mean())
        loss = sum((f - t).square().mean() for f, t in zip(found, target, strict=True)) * share
        (expected,) = torch.autograd.grad(loss, x)
        known = Statistics(*(values.detach() for values in found))
        parts = [
            style_gradient(x.detach()[..., part], known, target, 42, None if mask is None else mask[..., part])
            for part in (slice(0, 3), slice(3, 7))
        ]
        torch.testing.assert_close(torch.cat(parts, dim=3), expected)
