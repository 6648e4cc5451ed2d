"""Initial weights for networks that train from the first step on."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.decoder import Decoder
from ...models.model_files import decoder_of_architecture
from ..light_pair import LightPair

# Mean and standard deviation the first outputs get: about those of photographs.
_IMAGE_MEAN, _IMAGE_STD = 0.45, 0.25
_RESIDUAL_STD = 0.4


def new_decoder(architecture: str, normalization: str, seed: int) -> Decoder:
    """A decoder with PyTorch's default initialization from that seed; the process's random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs, too
        return decoder_of_architecture(architecture, normalization)


@torch.no_grad()
def scale_to_unit_variance(decoder: Decoder, features: Tensor) -> None:
    """Scales each convolution, in order, so that its outputs on real features have unit variance and zero mean.

    With PyTorch's defaults the signal shrinks from layer to layer, and hundreds of steps go into growing it back
    (Mishkin & Matas, "All you need is a good init", ICLR 2016, without the orthogonal start). The last convolution
    gets the mean and variance of images.

    Args:
        decoder: changed in place.
        features: a batch of what it will be given, ``[B, C, h, w]``.
    """
    x, joined = decoder.parts(features)
    last = len(decoder.c) - 1
    for k, convolution in enumerate(decoder.c):
        x = torch.cat([x, joined[k]], 1) if k in joined else x
        convolution.bias.zero_()
        y = decoder.convolve(k, x)
        scale = (_IMAGE_STD if k == last else 1.0) / y.std().clamp(min=1e-6)
        mean = y.mean() * scale
        convolution.weight.mul_(scale)
        convolution.bias.fill_((_IMAGE_MEAN if k == last else 0.0) - mean)
        x = F.relu(y * scale - mean)


def new_light_pair(seed: int) -> LightPair:
    """As `new_decoder`."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs, too
        return LightPair()


@torch.no_grad()
def scale_light_pair(pair: LightPair, content: Tensor, style: Tensor) -> None:
    """As `scale_to_unit_variance`, of both networks; what is added to a residual block's input is smaller.

    Args:
        pair: changed in place.
        content, style: images ``[B, 3, n, n]``.
    """
    encoder: list[Any] = list(pair.encoder.c)
    decoder: list[Any] = list(pair.decoder.c)
    # Or the 2x2 pixels that each position of its output becomes would differ everywhere in the same way: a grid.
    decoder[-1].weight.copy_(decoder[-1].weight[::4].repeat_interleave(4, 0))
    wanted = dict.fromkeys([*encoder, *decoder], 1.0)
    wanted |= {encoder[5]: _RESIDUAL_STD, decoder[2]: _RESIDUAL_STD, decoder[4]: _RESIDUAL_STD, decoder[-1]: _IMAGE_STD}

    def scale(convolution: Any, _given: Any, y: Tensor) -> Tensor:
        factor = wanted[convolution] / y.std().clamp(min=1e-6)
        convolution.weight.mul_(factor)
        return y * factor

    handles = []
    for convolution in wanted:
        convolution.bias.zero_()
        handles.append(convolution.register_forward_hook(scale))
    pair(content, style)
    for handle in handles:
        handle.remove()
    decoder[-1].bias.fill_(_IMAGE_MEAN)
