"""The decoder: the mirror of the encoder, from relu4_1 features back to an image."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import AdaINError, check_known
from ..method.features import FEATURE_CHANNELS, feature_size
from .padding import pad_one
from .upsampled_convolution import UpsampledConv2d
from .vgg import HALO, BiasedConvolution, blocks_of

# The paper's ablations of normalization inside the decoder (section 7.1).
NORMALIZATIONS = ("none", "instance", "batch")


class Decoder(nn.Module):
    """relu4_1 features to RGB (section 6.1).

    The encoder's convolutions in reverse order, nearest-neighbour upsampling where it pools, reflection padding
    against border artifacts, and no normalization layers: instance normalization would give every sample, and batch
    normalization every batch, one and the same style (section 7.1).

    Args:
        architecture: the encoder it mirrors, ``vgg19`` or ``vgg16``.
        normalization: ``none``; or ``instance`` or ``batch`` after every convolution but the last.

    Attributes:
        feature_channels: of relu4_1.
        halo: positions on the feature grid around a tile that its pixels depend on.
        trained_for: fingerprint of the encoder it was trained with, set by `model_files.load_decoder`.
    """

    feature_channels = FEATURE_CHANNELS
    halo = HALO
    c: Sequence[BiasedConvolution]

    def __init__(self, architecture: str = "vgg19", normalization: str = "none") -> None:
        super().__init__()
        check_known("normalization", normalization, NORMALIZATIONS)
        self.architecture = architecture
        self.normalization = normalization
        self.trained_for = ""
        blocks = blocks_of(architecture)
        channels = [*(c for block in reversed(blocks) for c in reversed(block)), 3]
        outputs = channels[1:-1]
        ends = [sum(len(block) for block in blocks[b:]) - 1 for b in range(1, len(blocks))]
        self.upsample_after = frozenset(ends)
        # A convolution's mirror image maps its outputs back to its inputs.
        convolutions = (
            UpsampledConv2d(i, o) if k - 1 in self.upsample_after else nn.Conv2d(i, o, 3)
            for k, (i, o) in enumerate(itertools.pairwise(channels))
        )
        self.c = nn.ModuleList(convolutions)  # type: ignore[assignment]  # ModuleList has no element type
        if normalization != "none":
            self.n = nn.ModuleList(
                nn.InstanceNorm2d(o, affine=True) if normalization == "instance" else nn.BatchNorm2d(o) for o in outputs
            )

    def forward(self, features: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decodes features.

        Args:
            features: ``[B, 512, h, w]``.
            size: height and width of the content image; the result is cropped to it. None: ``8h, 8w``.

        Returns:
            ``[B, 3, H, W]`` RGB, nominally 0..1, not clamped.

        Raises:
            AdaINError: the features have another shape, or are not those of an image of that size.
        """
        x, joined = self.parts(check_features(features, size, self.feature_channels))
        last = len(self.c) - 1
        for k in range(len(self.c)):
            x = self.convolve(k, x if k not in joined else torch.cat([x, joined[k]], 1))
            if k < last:
                if self.normalization != "none":
                    x = self.n[k](x)
                x = F.relu(x, inplace=True)
        return x if size is None else x[..., : size[0], : size[1]]

    def parts(self, features: Tensor) -> tuple[Tensor, Mapping[int, Tensor]]:
        """What the first convolution is given, and what others are given beside their own input, by their number."""
        return features, {}

    def convolve(self, k: int, x: Tensor) -> Tensor:
        """Convolution k alone, with padding, and with upsampling before it where there is one."""
        return self.c[k](x if k - 1 in self.upsample_after else pad_one(x))


def check_features(features: Tensor, size: tuple[int, int] | None = None, channels: int = FEATURE_CHANNELS) -> Tensor:
    """Returns features that are ``[B, channels, h, w]`` and belong to an image of that size, else raises AdaINError."""
    if features.ndim != 4 or features.shape[1] != channels or 0 in features.shape:
        raise AdaINError(f"features: expected shape [batch, {channels}, height, width], found {list(features.shape)}")
    if size is not None:
        expected = feature_size(*size)
        if tuple(features.shape[2:]) != expected:
            raise AdaINError(
                f"features: expected height and width {expected[0]}x{expected[1]} for an image of {size[0]}x{size[1]}, "
                f"found {features.shape[2]}x{features.shape[3]}"
            )
    return features
