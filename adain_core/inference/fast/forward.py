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
import torch.nn.functional as F
from torch import Tensor, nn

from ...models.decoder import Decoder
from ...models.fine import FineDecoder, FineEncoder, parts_of_features, pixels_of_features, to_stride_8
from ...models.light import LightDecoder, LightEncoder, shallow_of_features, shallow_of_map, to_whole_positions
from ...models.model_files import AnyDecoder, AnyEncoder
from ...models.vgg import VGGEncoder
from .compiled import compiled
from .conv_chain import (
    Convolution,
    Join,
    Layer,
    MaxPool,
    PixelShuffle,
    StridedConvolution,
    Tap,
    UpsampledConvolution,
    run_chain,
)


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


def compile_from_now_on(model: AnyEncoder | AnyDecoder) -> None:
    """Has `fast` compile the model for each size of input it meets, see `compiled`."""
    _to_compile.add(model)
    _kept.pop(model, None)


def fast(model: AnyEncoder | AnyDecoder) -> Callable[[Tensor], Tensor]:
    """The model as a function: images to features, or features to images, ``[B, C, H, W]``, channels_last.

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


def _derived(model: AnyEncoder | AnyDecoder) -> Callable[[Tensor], Tensor]:
    """The function of a model. It holds on to parameters, never to the model: what is kept of it goes with it."""
    if isinstance(model, LightEncoder):
        run = _light_encoder(model)
    elif isinstance(model, LightDecoder):
        run = _light_decoder(model)
    elif isinstance(model, FineEncoder):
        run = _fine_encoder(model)
    elif isinstance(model, FineDecoder):
        run = _fine_decoder(model)
    else:
        run = _in_a_row(_encoder_chains(model) if isinstance(model, VGGEncoder) else _decoder_chains(model))
    return compiled(run, next(model.parameters()).device) if model in _to_compile else run


def _in_a_row(chains: list[list[Layer]]) -> Callable[[Tensor], Tensor]:
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


def _light_encoder(encoder: LightEncoder) -> Callable[[Tensor], Tensor]:
    c = [(convolution.weight, convolution.bias) for convolution in encoder.c]
    to_stride_4 = [StridedConvolution(*c[0]), StridedConvolution(*c[1]), Convolution(*c[2], relu=False)]
    to_stride_8 = [StridedConvolution(*c[3], relu=False)]
    block = [Convolution(*c[4]), Convolution(*c[5], relu=False)]

    def run(x: Tensor) -> Tensor:
        x = run_chain(to_stride_4, to_whole_positions(x))
        shallow = shallow_of_map(x)
        x = run_chain(to_stride_8, x.relu_())
        return torch.cat([run_chain(block, x.relu()).add_(x), shallow], 1)

    return run


def _light_decoder(decoder: LightDecoder) -> Callable[[Tensor], Tensor]:
    c = [(convolution.weight, convolution.bias) for convolution in decoder.c]
    mixed = [Convolution(*c[0], relu=False)]
    blocks = [[Convolution(*c[k]), Convolution(*c[k + 1], relu=False)] for k in (1, 3)]
    to_stride_4 = [UpsampledConvolution(*c[5], relu=False)]
    to_pixels = [
        Convolution(*c[6]),
        UpsampledConvolution(*c[7]),
        Convolution(*c[8]),
        Convolution(*c[9], relu=False),
        PixelShuffle(),
    ]

    def run(features: Tensor) -> Tensor:
        x = run_chain(mixed, features)
        for block in blocks:
            x = run_chain(block, x.relu()).add_(x)
        x = run_chain(to_stride_4, x.relu_())
        return run_chain(to_pixels, torch.cat([x, shallow_of_features(features)], 1))

    return run


def _fine_encoder(encoder: FineEncoder) -> Callable[[Tensor], Tensor]:
    chains = _encoder_chains(encoder)
    components = {2: encoder.p[0].weight, 1: encoder.p[1].weight}  # of relu3_1 and relu2_1, by their blocks
    colors = encoder.p[2].weight
    channels = encoder.feature_channels

    def run(x: Tensor) -> Tensor:
        pixels, finer = F.conv2d(x, colors), {}
        for block, chain in enumerate(chains):
            weight = components.get(block)
            if weight is not None:
                finer[block] = torch.empty((x.shape[0], weight.shape[0], *x.shape[2:]), dtype=x.dtype, device=x.device)
                chain = [chain[0], Tap(weight, finer[block]), *chain[1:]]
            x = run_chain(chain, x)
        shape = (x.shape[0], channels, *x.shape[2:])
        features = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        first = x.shape[1]
        features[:, :first] = x
        del x  # before the copies that the others need
        for part, stride in ((finer.pop(2), 4), (finer.pop(1), 2), (pixels, 1)):
            part = to_stride_8(part, stride)
            features[:, first : first + part.shape[1]] = part
            first += part.shape[1]
        return features

    return run


def _fine_decoder(decoder: FineDecoder) -> Callable[[Tensor], Tensor]:
    chains = _decoder_chains(decoder)
    # The chains at strides 4 and 2 begin with the convolution after upsampling.
    joining = {1: 2, 2: 6}
    added = decoder.d.weight

    def run(features: Tensor) -> Tensor:
        x, joined = parts_of_features(features)
        for block, chain in enumerate(chains):
            if block in joining:
                chain = [chain[0], Join(joined[joining[block]]), *chain[1:]]
            x = run_chain(chain, x)
        return x.add_(pixels_of_features(features, added))

    return run
