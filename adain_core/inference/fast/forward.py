"""Encoder and decoder for inference: the same numbers as their ``forward``, several times as fast on the CPU.

The networks' parameters stay as they are. From them `fast` derives chains of layers for `conv_chain`, one for
each resolution, with kernels in other forms. Of a small frame's time deriving them would be a good part, so they are
kept for as long as the parameters are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch import Tensor, nn

from ...models.decoder import Decoder
from ...models.vgg import VGGEncoder
from .compiled import compiled
from .conv_chain import Convolution, Layer, MaxPool, UpsampledConvolution, run_chain


class _ParameterVersion(NamedTuple):
    """What tells whether a parameter has changed."""

    parameter: int  # its id
    version: int
    address: int
    device: torch.device
    dtype: torch.dtype


class _Kept(NamedTuple):
    versions: list[_ParameterVersion]
    parameters: list[nn.Parameter]  # held, so that no new one gets the same id
    run: Callable[[Tensor], Tensor]


_kept: WeakKeyDictionary[nn.Module, _Kept] = WeakKeyDictionary()
_to_compile: WeakSet[nn.Module] = WeakSet()


def compile_from_now_on(model: VGGEncoder | Decoder) -> None:
    """Has `fast` compile the model for each size of input it meets, see `compiled`."""
    _to_compile.add(model)
    _kept.pop(model, None)


def fast(model: VGGEncoder | Decoder) -> Callable[[Tensor], Tensor]:
    """The model as a function: images to relu4_1 features, or features to images, ``[B, C, H, W]``, channels_last.

    Equal to ``model(x)`` up to rounding. To be called without gradients, and as long as the parameters stay as they are
    and where they are.
    """
    if isinstance(model, Decoder) and model.normalization != "none":
        return model  # an ablation, whose statistics may be of the whole map
    parameters = list(model.parameters())
    # One that is trained changes all the time, and PyTorch does not count the changes of inference tensors.
    if any(parameter.requires_grad or parameter.is_inference() for parameter in parameters):
        return _derived(model)
    versions = [_ParameterVersion(id(p), p._version, p.data_ptr(), p.device, p.dtype) for p in parameters]
    kept = _kept.get(model)
    if kept is None or kept.versions != versions:
        kept = _kept[model] = _Kept(versions, parameters, _derived(model))
    return kept.run


def _derived(model: VGGEncoder | Decoder) -> Callable[[Tensor], Tensor]:
    chains = _encoder_chains(model) if isinstance(model, VGGEncoder) else _decoder_chains(model)

    def run(x: Tensor) -> Tensor:
        for chain in chains:
            x = run_chain(chain, x)
        return x

    return compiled(run, next(model.parameters()).device) if model in _to_compile else run


def _encoder_chains(encoder: VGGEncoder) -> list[list[Layer]]:
    """One chain for each block, with the pooling after it."""
    chains: list[list[Layer]] = [[]]
    for k, convolution in enumerate(encoder.c):
        if k and k in encoder.first_of_block:
            chains[-1].append(MaxPool())
            chains.append([])
        chains[-1].append(Convolution(convolution.weight, convolution.bias))
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
