"""The encoder: VGG-19 (or VGG-16) from the image to relu4_1, with taps at relu1_1, relu2_1, relu3_1 and relu4_1."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import AdaINError, check_known
from ..method.features import FEATURE_CHANNELS
from .padding import pad_one

# Output channels of the 3x3 convolutions, block by block, up to relu4_1 (Simonyan & Zisserman, arXiv:1409.1556,
# table 1, columns E and D). Between blocks is a 2x2 max pooling.
ARCHITECTURES: dict[str, tuple[tuple[int, ...], ...]] = {
    "vgg19": ((64, 64), (128, 128), (256, 256, 256, 256), (512,)),
    "vgg16": ((64, 64), (128, 128), (256, 256, 256), (512,)),
}

# Of encoder and decoder, in positions on the feature grid. Each sees 30 pixels past a position's 8x8: 2 + 2*2 + 4*4 + 8
# of the encoder's convolutions at strides 1, 2, 4 and 8, the same backwards for the decoder.
HALO = 4


def blocks_of(architecture: str) -> tuple[tuple[int, ...], ...]:
    """An architecture's row of `ARCHITECTURES`; AdaINError if there is none."""
    check_known("architecture", architecture, tuple(ARCHITECTURES))
    return ARCHITECTURES[architecture]


class BiasedConvolution(Protocol):
    """The part of `torch.nn.Conv2d` in use, with a bias (torch declares it as optional)."""

    out_channels: int
    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor: ...


class VGGEncoder(nn.Module):
    """VGG to relu4_1 as the paper uses it (section 6.1).

    3x3 convolutions with reflection padding (`pad_one`), ReLU, 2x2 max pooling with ceil_mode. Images are RGB 0..1:
    the preprocessing that the weights were trained with is folded into the first convolution when they are imported.

    Args:
        architecture: ``vgg19`` or ``vgg16``.

    Attributes:
        feature_channels: of relu4_1.
        halo: positions on the feature grid around a tile that its features depend on.
        fingerprint: identifies the weights, set by `model_files.load_encoder`.
    """

    feature_channels = FEATURE_CHANNELS
    halo = HALO
    c: Sequence[BiasedConvolution]

    def __init__(self, architecture: str = "vgg19") -> None:
        super().__init__()
        self.architecture = architecture
        self.fingerprint = ""
        blocks = blocks_of(architecture)
        channels = [3, *(c for block in blocks for c in block)]
        # The name c is part of the files: their keys are c.{k}.weight and c.{k}.bias.
        convolutions = (nn.Conv2d(i, o, 3) for i, o in itertools.pairwise(channels))
        self.c = nn.ModuleList(convolutions)  # type: ignore[assignment]  # ModuleList has no element type
        self.first_of_block = tuple(sum(len(block) for block in blocks[:b]) for b in range(len(blocks)))

    def layers(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yields ``(k, output after ReLU)`` for every convolution in order; ``x``: images ``[B, 3, H, W]``."""
        for k, convolution in enumerate(self.c):
            if k and k in self.first_of_block:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            x = F.relu(convolution(pad_one(x)), inplace=True)
            yield k, x

    def taps(self, images: Tensor) -> list[Tensor]:
        """Features at relu1_1, relu2_1, relu3_1 and relu4_1.

        Args:
            images: ``[B, 3, H, W]``, RGB 0..1, any size from 1x1 up.

        Returns:
            Four tensors ``[B, C_i, ceil(H/2^i), ceil(W/2^i)]`` with C = 64, 128, 256, 512 and i = 0..3.
        """
        return [x for k, x in self.layers(check_images(images)) if k in self.first_of_block]

    def features(self, images: Tensor, taps: Sequence[Tensor]) -> Tensor:
        """What AdaIN is given, of images and their `taps`: the last one."""
        return taps[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Features at relu4_1: ``[B, 3, H, W]`` RGB 0..1 to ``[B, 512, ceil(H/8), ceil(W/8)]``."""
        x = images
        for _, x in self.layers(check_images(images)):  # noqa: B007 - the last one counts
            pass
        return x


def check_images(images: Tensor) -> Tensor:
    """Returns the images if they are ``[B, 3, H, W]`` of floats with at least one pixel, else raises AdaINError."""
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape or not images.is_floating_point():
        raise AdaINError(
            "images: expected floats of shape [batch, 3, height, width] with at least one pixel, "
            f"found {str(images.dtype).removeprefix('torch.')} of shape {list(images.shape)}"
        )
    return images
