"""Scales an encoder's channels to unit mean activation."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..errors import AdaINError
from .vgg import VGGEncoder

_INPUT_CHANNELS = 3


@torch.inference_mode()
def normalize_activations(encoder: VGGEncoder, images: Iterable[Tensor]) -> int:
    """Scales every channel after every ReLU to a mean activation of 1 over all images and positions.

    ``relu(a x) = a relu(x)`` for a > 0. So when the outputs of a layer are divided by their means and the next
    layer's weights are multiplied by them, the network computes the same in other units (Gatys et al., "A Neural
    Algorithm of Artistic Style", arXiv:1508.06576, section 'Methods'). All layers then count alike in the style loss.
    A channel whose mean is 0 stays as it is.

    Args:
        encoder: its weights are changed.
        images: ``[1, 3, H, W]`` RGB 0..1 each.

    Returns:
        The number of images used.

    Raises:
        AdaINError: there are no images.
    """
    sums: list[Tensor] = [torch.zeros(c.out_channels, dtype=torch.float64) for c in encoder.c]
    used = 0
    for image in images:
        for k, x in encoder.layers(image):
            sums[k] += x.double().mean(dim=(0, 2, 3))
        used += 1
    if not used:
        raise AdaINError("normalize: expected at least one image, found none")
    before = torch.ones(_INPUT_CHANNELS, dtype=torch.float64)
    for convolution, total in zip(encoder.c, sums, strict=True):
        mean = torch.where(total > 0, total / used, torch.ones_like(total))
        weight = convolution.weight.double() * before[None, :, None, None] / mean[:, None, None, None]
        convolution.weight.copy_(weight)
        convolution.bias.copy_(convolution.bias.double() / mean)
        before = mean
    return used
