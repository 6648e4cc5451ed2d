"""Encoder and decoder for inference: the same numbers as their ``forward``, several times as fast on the CPU.

The networks' parameters stay as they are. From them `fast` derives chains of layers for `adain_core.bands`, one for
each resolution; deriving costs less than a millisecond, so nothing is kept that could go stale when a decoder is
trained on or moved.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .bands import Convolution, Layer, MaxPool, UpsampledConvolution, run_chain
from .decoder import Decoder
from .vgg import VGGEncoder


def fast(model: VGGEncoder | Decoder) -> Callable[[Tensor], Tensor]:
    """The model as a function: images to relu4_1 features, or features to images, ``[B, C, H, W]``, channels_last.

    Equal to ``model(x)`` up to rounding. To be called without gradients, and as long as the parameters stay as they are
    and where they are.
    """
    if isinstance(model, Decoder) and model.normalization != "none":
        return model  # an ablation, whose statistics may be of the whole map
    chains = _encoder_chains(model) if isinstance(model, VGGEncoder) else _decoder_chains(model)

    def run(x: Tensor) -> Tensor:
        for chain in chains:
            x = run_chain(chain, x)
        return x

    return run


def _encoder_chains(encoder: VGGEncoder) -> list[list[Layer]]:
    """One chain for each block, with the pooling after it."""
    chains: list[list[Layer]] = [[]]
    for k, convolution in enumerate(encoder.c):
        if k and k in encoder.first_of_block:
            chains[-1].append(MaxPool())
            chains.append([])
        chains[-1].append(Convolution(convolution.weight, convolution.bias, padding=encoder.padding))
    return chains


def _decoder_chains(decoder: Decoder) -> list[list[Layer]]:
    """One chain for each block, with the upsampling before it."""
    chains: list[list[Layer]] = [[]]
    last = len(decoder.c) - 1
    for k, convolution in enumerate(decoder.c):
        weight, bias = convolution.weight, convolution.bias
        if k - 1 in decoder.upsample_after:
            chains.append([UpsampledConvolution(weight, bias)])
        else:
            chains[-1].append(Convolution(weight, bias, relu=k < last))
    return chains
