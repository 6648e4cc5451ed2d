"""Chains of convolutions over bands of rows that stay in the processor's cache.

A full map of 64 channels at 1024x1024 is 256 MB: fresh memory whose first touch costs as much as the convolution, and
every pass over it goes to main memory. Computed in bands, one after the other through all layers of a chain, maps stay
in the cache and the allocator hands the same memory out again. Only a chain's input and output exist as a whole. Bands
overlap by what the layers need, so the result does not change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.padding import pad_one
from ...models.upsampled_convolution import interleave, phase_kernels
from .kernel_choice import faster_than_direct
from .winograd import convolve, transform_kernel

# Largest map of one band, in bytes. On the CPU half of a usual last-level cache, and below the 32 MiB from which glibc
# fetches memory anew from the system each time. On a GPU the bands only bound memory.
_CPU_BAND = 16 << 20
_GPU_BAND = 64 << 20

# Winograd's convolution can win from so many channels and output positions on. Whether it does depends on how fast the
# processor's matrix products are beside its convolutions: that is measured.
_WINOGRAD_CHANNELS = 128
_WINOGRAD_POSITIONS = 2048

Rows = tuple[int, int]  # first and last row, the latter excluded


class Layer:
    """One step of a chain, on any range of rows of its output."""

    def channels(self, given: int) -> int:
        """Channels of the output for those of the input."""
        return given

    def side(self, given: int) -> int:
        """Height (or width) of the output for that of the input."""
        return given

    def part(self, samples: slice) -> Layer:
        """The layer for some samples of the batch."""
        return self

    def needs(self, rows: Rows, height: int) -> Rows:
        """The rows of an input of that height which those rows of the output depend on."""
        raise NotImplementedError

    def __call__(self, x: Tensor, rows: Rows, height: int) -> Tensor:
        """Rows of the output.

        Args:
            x: the input's rows `needs` names, ``[B, C, h, W]``.
            rows: which rows of the output.
            height: of the whole input.
        """
        raise NotImplementedError


class Convolution(Layer):
    """A 3x3 convolution, padded as `padding.pad_one` does at the true border only, with ReLU or without.

    In float32 on the CPU by Winograd's algorithm where that is measured to be faster.
    """

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool = True) -> None:
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.relu = relu
        wide = min(weight.shape[:2]) >= _WINOGRAD_CHANNELS
        self.may_transform = wide and weight.device.type == "cpu" and weight.dtype == torch.float32
        self.kernel: Tensor | None = None  # Winograd's, once it is needed

    def channels(self, given: int) -> int:
        return self.weight.shape[0]

    def needs(self, rows: Rows, height: int) -> Rows:
        return max(rows[0] - 1, 0), min(rows[1] + 1, height)

    def __call__(self, x: Tensor, rows: Rows, height: int) -> Tensor:
        x = pad_one(x, top=rows[0] == 0, bottom=rows[1] == height)
        x = self._winograd(x) if self._by_winograd(x) else self._direct(x)
        return x.relu_() if self.relu else x

    def _by_winograd(self, x: Tensor) -> bool:
        height, width = x.shape[2:]
        if not self.may_transform or height * width < _WINOGRAD_POSITIONS or torch.compiler.is_compiling():
            return False
        # As many rows as show the pace; a class has widths within a factor of two.
        rows = min(-(-_WINOGRAD_POSITIONS // width) + 2, height)
        shape = (*self.weight.shape[:2], 1 << (width.bit_length() - 1))
        return faster_than_direct(shape, x[:1, :, :rows], self._direct, self._winograd)

    def _direct(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias)

    def _winograd(self, x: Tensor) -> Tensor:
        if self.kernel is None:
            self.kernel = transform_kernel(self.weight)
        return convolve(x, self.kernel, self.bias)


class StridedConvolution(Layer):
    """A 3x3 convolution with stride 2, padded as `Convolution` is, with ReLU or without.

    The map has an even number of rows and of columns.
    """

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool = True) -> None:
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.relu = relu

    def channels(self, given: int) -> int:
        return self.weight.shape[0]

    def side(self, given: int) -> int:
        return given // 2

    def needs(self, rows: Rows, height: int) -> Rows:
        return max(2 * rows[0] - 1, 0), 2 * rows[1]

    def __call__(self, x: Tensor, rows: Rows, height: int) -> Tensor:
        x = pad_one(x, top=rows[0] == 0, bottom=False)
        x = F.conv2d(x, self.weight, self.bias, stride=2)
        return x.relu_() if self.relu else x


class MaxPool(Layer):
    """2x2 max pooling with ceil_mode."""

    def side(self, given: int) -> int:
        return -(-given // 2)

    def needs(self, rows: Rows, height: int) -> Rows:
        return 2 * rows[0], min(2 * rows[1], height)

    def __call__(self, x: Tensor, rows: Rows, height: int) -> Tensor:
        return F.max_pool2d(x, 2, ceil_mode=True)


class Tap(Layer):
    """Leaves its input as it is, and writes a 1x1 convolution of it down.

    Args:
        weight: ``[C, channels, 1, 1]``.
        out: where to, ``[B, C, height, width]``.
    """

    def __init__(self, weight: Tensor, out: Tensor) -> None:
        self.weight, self.out = weight, out

    def part(self, samples: slice) -> Tap:
        return Tap(self.weight, self.out[samples])

    def needs(self, rows: Rows, height: int) -> Rows:
        return rows

    def __call__(self, x: Tensor, rows: Rows, height: int) -> Tensor:
        self.out[:, :, rows[0] : rows[1]] = F.conv2d(x, self.weight)
        return x


class Join(Layer):
    """Puts the channels of another map behind those of its input.

    Args:
        other: ``[B, C, height, width]``.
    """

    def __init__(self, other: Tensor) -> None:
        self.other = other

    def part(self, samples: slice) -> Join:
        return Join(self.other[samples])

    def channels(self, given: int) -> int:
        return given + self.other.shape[1]

    def needs(self, rows: Rows, height: int) -> Rows:
        return rows

    def __call__(self, x: Tensor, rows: Rows, height: int) -> Tensor:
        return torch.cat([x, self.other[:, :, rows[0] : rows[1]]], 1)


class PixelShuffle(Layer):
    """Groups of four channels as 2x2 pixels (Shi et al., arXiv:1609.05158)."""

    def channels(self, given: int) -> int:
        return given // 4

    def side(self, given: int) -> int:
        return 2 * given

    def needs(self, rows: Rows, height: int) -> Rows:
        return _halves(rows)

    def __call__(self, x: Tensor, rows: Rows, height: int) -> Tensor:
        first = 2 * _halves(rows)[0]
        return F.pixel_shuffle(x, 2)[:, :, rows[0] - first : rows[1] - first]


class UpsampledConvolution(Layer):
    """Nearest-neighbour upsampling by 2 and a 3x3 convolution with reflection padding in one, with ReLU or without.

    In phases, see `models.upsampled_convolution`.
    """

    def __init__(self, weight: Tensor, bias: Tensor, relu: bool = True) -> None:
        self.weight = phase_kernels(weight.float()).to(weight.dtype)
        self.outputs = weight.shape[0]
        self.bias = bias.repeat(4)
        self.relu = relu

    def channels(self, given: int) -> int:
        return self.outputs

    def side(self, given: int) -> int:
        return 2 * given

    def needs(self, rows: Rows, height: int) -> Rows:
        first, last = _halves(rows)
        return max(first - 1, 0), min(last + 1, height)

    def __call__(self, x: Tensor, rows: Rows, height: int) -> Tensor:
        first, last = _halves(rows)
        x = pad_one(x, "replicate", top=first == 0, bottom=last == height)
        phases = F.conv2d(x, self.weight, self.bias)
        if self.relu:
            phases.relu_()
        out = interleave(phases, self.outputs)
        return out[:, :, rows[0] - 2 * first : rows[1] - 2 * first]


def run_chain(layers: Sequence[Layer], x: Tensor, band_bytes: int | None = None) -> Tensor:
    """Runs the layers one after the other, a band of rows at a time.

    Args:
        layers: at least one.
        x: ``[B, C, H, W]``, channels_last.
        band_bytes: size of the largest map of a band; None: what suits the device.

    Returns:
        The last layer's output, channels_last.
    """
    if band_bytes is None:
        band_bytes = _CPU_BAND if x.device.type == "cpu" else _GPU_BAND
    heights = [x.shape[2]]
    for layer in layers:
        heights.append(layer.side(heights[-1]))
    per_row = _bytes_per_row(layers, x)  # of the output, of one sample
    group = max(band_bytes // (per_row * heights[-1]), 1)
    rows = min(max(band_bytes // per_row, 2), heights[-1])
    rows = _even(-(-heights[-1] // -(-heights[-1] // rows)))
    if group >= x.shape[0] and rows >= heights[-1]:
        return _run_band(layers, x, (0, heights[-1]), heights)
    out = None
    for start in range(0, x.shape[0], group):
        samples = slice(start, start + group)
        parts = [layer.part(samples) for layer in layers]
        for top in range(0, heights[-1], rows):
            bottom = min(top + rows, heights[-1])
            band = _run_band(parts, x[samples], (top, bottom), heights)
            if out is None:
                shape = (x.shape[0], band.shape[1], heights[-1], band.shape[3])
                out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
            out[samples, :, top:bottom] = band
    assert out is not None
    return out


def _run_band(layers: Sequence[Layer], x: Tensor, rows: Rows, heights: list[int]) -> Tensor:
    ranges = [rows]
    for layer, height in zip(reversed(layers), reversed(heights[:-1]), strict=True):
        ranges.append(layer.needs(ranges[-1], height))
    ranges.reverse()
    x = x[:, :, slice(*ranges[0])]
    for layer, rows, height in zip(layers, ranges[1:], heights[:-1], strict=True):
        x = layer(x, rows, height)
    return x


def _bytes_per_row(layers: Sequence[Layer], x: Tensor) -> int:
    """Bytes of the chain's largest map for each row of the chain's output, of one sample."""
    channels, height, width = x.shape[1:]
    sizes = []
    for layer in layers:
        channels, height, width = layer.channels(channels), layer.side(height), layer.side(width)
        sizes.append(channels * height * width)
    return math.ceil(max(sizes) / height * x.element_size())


def _halves(rows: Rows) -> Rows:
    """The rows before upsampling that these are copies of."""
    return rows[0] // 2, (rows[1] + 1) // 2


def _even(rows: int) -> int:
    return rows + rows % 2
