"""The decoder: the mirror of the encoder, from relu4_1 features back to an image."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import AdaINError, check_known
from ..method.adain import adain
from ..method.features import FEATURE_CHANNELS, STRIDE
from ..method.normalization import Statistics
from .padding import pad_one
from .vgg import BiasedConvolution, blocks_of

# The paper's ablations (section 7.1): normalization inside the decoder, and what it is given.
NORMALIZATIONS = ("none", "instance", "batch")
CONDITIONINGS = ("adain", "concatenation")


class Decoder(nn.Module):
    """Features in, RGB out (section 6.1 of the paper).

    The encoder's convolutions in reverse, nearest-neighbour upsampling where it pools, reflection padding against
    border artifacts, and no normalization layers: instance normalization would pull every sample to one style and
    batch normalization a batch (section 7.1).

    Args:
        architecture: the encoder it mirrors, ``vgg19`` or ``vgg16``.
        normalization: ``none``; or ``instance`` or ``batch`` after every convolution but the last.
        conditioning: ``adain``; or ``concatenation``: content and style features side by side, 1024 channels.

    Attributes:
        trained_for: fingerprint of the encoder it was trained with, set by `model_files.load_decoder`.
    """

    c: Sequence[BiasedConvolution]

    def __init__(self, architecture: str = "vgg19", normalization: str = "none", conditioning: str = "adain") -> None:
        super().__init__()
        check_known("normalization", normalization, NORMALIZATIONS)
        check_known("conditioning", conditioning, CONDITIONINGS)
        self.architecture = architecture
        self.normalization = normalization
        self.conditioning = conditioning
        self.trained_for = ""
        blocks = blocks_of(architecture)
        channels = [*(c for block in reversed(blocks) for c in reversed(block)), 3]
        outputs = channels[1:-1]
        if conditioning == "concatenation":
            channels[0] *= 2
        self.in_channels = channels[0]
        # A convolution's mirror image maps its outputs back to its inputs.
        convolutions = (nn.Conv2d(i, o, 3) for i, o in itertools.pairwise(channels))
        self.c = nn.ModuleList(convolutions)  # type: ignore[assignment]  # that class does not tell what it holds
        if normalization != "none":
            self.n = nn.ModuleList(
                nn.InstanceNorm2d(o, affine=True) if normalization == "instance" else nn.BatchNorm2d(o) for o in outputs
            )
        ends = [sum(len(block) for block in blocks[b:]) - 1 for b in range(1, len(blocks))]
        self.upsample_after = frozenset(ends)

    def forward(self, features: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decodes features.

        Args:
            features: ``[B, 512, h, w]``; for ``concatenation`` ``[B, 1024, h, w]``, the content's before the style's.
            size: height and width of the content image; the result is cropped to it. None: ``8h, 8w``.

        Returns:
            ``[B, 3, H, W]`` RGB, nominally 0..1, not clamped.

        Raises:
            AdaINError: features of another shape, or a size that these features cannot stand for.
        """
        x = check_features(features, size, self.in_channels)
        last = len(self.c) - 1
        for k, convolution in enumerate(self.c):
            x = convolution(pad_one(x))
            if k < last:
                if self.normalization != "none":
                    x = self.n[k](x)
                x = F.relu(x, inplace=True)
            if k in self.upsample_after:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
        return x if size is None else x[..., : size[0], : size[1]]


def check_takes_adain(decoder: Decoder) -> None:
    """Raises AdaINError unless the decoder takes AdaIN's output, not content and style features side by side."""
    if decoder.conditioning != "adain":
        raise AdaINError(
            f"decoder: expected one that takes AdaIN's features, found one of conditioning {decoder.conditioning!r}"
        )


def check_features(features: Tensor, size: tuple[int, int] | None = None, channels: int = FEATURE_CHANNELS) -> Tensor:
    """Returns the features if they are ``[B, channels, h, w]`` and belong to an image of that size, else AdaINError."""
    if features.ndim != 4 or features.shape[1] != channels or 0 in features.shape:
        raise AdaINError(f"features: expected shape [batch, {channels}, height, width], found {list(features.shape)}")
    if size is not None:
        expected = tuple(-(-side // STRIDE) for side in size)
        if tuple(features.shape[2:]) != expected:
            raise AdaINError(
                f"features: expected {expected[0]}x{expected[1]} places for an image of {size[0]}x{size[1]}, "
                f"found {features.shape[2]}x{features.shape[3]}"
            )
    return features


def decoder_input(content: Tensor, style: Statistics, style_features: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What the decoder is given and what its output's features are to be.

    Args:
        content: relu4_1 features ``[B, 512, h, w]``.
        style: the style's statistics there.
        style_features: for a decoder with concatenation instead of AdaIN, the style's features, of the same size.

    Returns:
        The decoder's input, ``[B, 512 or 1024, h, w]``, and the target ``t = AdaIN(content, style)``.
    """
    target = adain(content, style)
    return (target if style_features is None else torch.cat([content, style_features], dim=1)), target
