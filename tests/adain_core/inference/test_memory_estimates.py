"""What encoder and decoder of each pair allocate, counted without computing, against the estimates."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from adain_core.inference.fast import conv_chain
from adain_core.inference.fast.forward import fast
from adain_core.inference.memory_estimates import bytes_per_pixel, features_per_pixel, whole_memory
from adain_core.models.bundled import PAIRS, load_pair


class Allocated(TorchDispatchMode):
    """The most bytes that tensors held at a time, those made before not counted."""

    def __init__(self, given):
        super().__init__()
        self.held, self.most, self.given = {}, 0, given.untyped_storage()._cdata

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        for tensor in result if isinstance(result, (list, tuple)) else [result]:
            storage = tensor.untyped_storage()
            if storage._cdata not in self.held and storage._cdata != self.given:
                self.held[storage._cdata] = storage.nbytes()
                weakref.finalize(storage, self.held.pop, storage._cdata)
        self.most = max(self.most, sum(self.held.values()))
        return result


def allocated(model, channels, stride, side):
    given = torch.empty(1, channels, side // stride, side // stride, device="meta")
    given = given.contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), Allocated(given) as counted:
        fast(model)(given)
    return counted.most


@pytest.mark.parametrize("pair", PAIRS)
def test_each_pair_takes_what_is_estimated_for_it(pair, monkeypatch):
    monkeypatch.setattr(conv_chain, "_GPU_BAND", conv_chain._CPU_BAND)  # of what is no CPU
    encoder, decoder = (model.to("meta") for model in load_pair(pair=pair))
    channels = encoder.feature_channels
    more = 2048**2 - 1024**2
    taken = [
        (allocated(model, inputs, stride, 2048) - allocated(model, inputs, stride, 1024)) / more
        for model, inputs, stride in ((encoder, 3, 1), (decoder, channels, 8))
    ]
    assert max(taken) <= bytes_per_pixel(channels)
    if pair != "light":  # of so few channels the rest counts for more
        assert max(taken) > 0.9 * bytes_per_pixel(channels)


def test_estimates_grow_with_the_channels():
    assert [features_per_pixel(channels) for channels in (192, 512, 1088)] == [12, 32, 68]
    assert whole_memory(1, 192) < whole_memory(1, 512) < whole_memory(1, 1088)
    # A picture, its features three times, and the maps between.
    assert whole_memory(1 << 20, 512) - whole_memory(0, 512) == (32 + 3 * 32 + 72) << 20
