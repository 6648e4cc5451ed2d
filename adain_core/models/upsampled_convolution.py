"""A 3x3 convolution of an upsampled map, without upsampling it.

Of the three columns (rows) of pixels that an output sees after nearest-neighbour upsampling by 2, two are copies of the
same one. So each of the four output phases is a 2x2 convolution of the map before upsampling, with the kernel's columns
(rows) summed in pairs: 4 * 4 products per input pixel and channel pair instead of 4 * 9. Reflecting the upsampled
border is repeating the border before upsampling.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .padding import pad_one


class UpsampledConv2d(nn.Conv2d):
    """Upsamples by 2, pads by reflection, and convolves.

    In training on the CPU in phases, see above: forward and back take some 0.6 of the time. On GPUs one plain
    convolution is fast, and for inference `inference.fast` does more.

    Args:
        inputs, outputs: channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, inputs, H, W]`` to ``[B, outputs, 2H, 2W]``."""
        if self.training and x.device.type == "cpu":
            assert self.bias is not None
            return upsampled_convolution(x, self.weight, self.bias)
        return super().forward(pad_one(F.interpolate(x, scale_factor=2, mode="nearest")))


def upsampled_convolution(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Upsamples by 2, pads by reflection, convolves. Differentiable.

    Args:
        x: ``[B, I, H, W]``.
        weight: ``[O, I, 3, 3]``.
        bias: ``[O]``.

    Returns:
        ``[B, O, 2H, 2W]``, channels_last.
    """
    phases = F.conv2d(pad_one(x, "replicate"), phase_kernels(weight), bias.repeat(4))
    return interleave(phases, weight.shape[0])


def phase_kernels(weight: Tensor) -> Tensor:
    """The kernels of the four phases.

    Args:
        weight: ``[O, I, 3, 3]``.

    Returns:
        ``[4 * O, I, 2, 2]``, channels_last: of even rows and even columns, even and odd, odd and even, odd and odd.
    """
    kernels = [kernel for rows in _summed_pairs(weight, 2) for kernel in _summed_pairs(rows, 3)]
    return torch.cat(kernels).contiguous(memory_format=torch.channels_last)


def interleave(phases: Tensor, outputs: int) -> Tensor:
    """Puts the phases' pixels where they belong.

    Args:
        phases: what the phases' kernels give on a map padded by one pixel, ``[B, 4 * outputs, H + 1, W + 1]``. Of even
            rows the first H belong to the image, of odd ones the last H, and likewise columns.
        outputs: channels.

    Returns:
        ``[B, outputs, 2H, 2W]``, channels_last.
    """
    batch, _, height, width = phases.shape
    height, width = height - 1, width - 1
    parts = torch.unflatten(phases.permute(0, 2, 3, 1), 3, (2, 2, outputs))
    rows = [
        torch.stack([parts[:, p : p + height, q : q + width, p, q] for q in (0, 1)], 3)  # B, H, W, 2, O
        for p in (0, 1)
    ]
    return torch.stack(rows, 2).view(batch, 2 * height, 2 * width, outputs).permute(0, 3, 1, 2)


def _summed_pairs(weight: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The 2-tap kernels of even and of odd outputs that a 3-tap kernel is on upsampled values."""
    first, middle, last = weight.unbind(dim)
    return torch.stack((first, middle + last), dim), torch.stack((first + middle, last), dim)
