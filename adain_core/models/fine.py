"""A pair that keeps fine detail: VGG-19's relu4_1 beside finer channels, which go around the decoder's narrow part.

What relu4_1 no longer has a decoder cannot paint: edges, small shapes, pure colours. So AdaIN gives the style's
statistics to finer channels, too. Li et al. give those of five layers to one picture after the other, each with a
decoder of its own ("Universal Style Transfer via Feature Transforms", NIPS 2017, section 3.2); here one decoder is
given all at once, each kind where it has their resolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..method.features import FEATURE_CHANNELS, STRIDE, TAP_CHANNELS
from .decoder import Decoder, check_features
from .padding import pad_one
from .vgg import VGGEncoder, check_images

FINE = "fine"  # the architecture's name in files

# Strides of the finer channels: of relu3_1, of relu2_1, and of the pixels themselves.
STRIDES = (4, 2, 1)
# How many there are. As channels at stride 8 each kind is 192: the positions of a feature grid's position side by side.
COUNTS = (48, 12, 3)
_AT_STRIDE_8 = [count * (STRIDE // stride) ** 2 for count, stride in zip(COUNTS, STRIDES, strict=True)]
FINE_CHANNELS = FEATURE_CHANNELS + sum(_AT_STRIDE_8)

# Rows: brightness, red against blue, green against both, of length 1. Natural images have little correlation between
# them (Reinhard et al., "Color Transfer between Images", IEEE CG&A 2001), so AdaIN of each comes closer to the style's
# colours than AdaIN of R, G and B, and a grey style makes the pixels grey.
OPPONENT_COLORS = F.normalize(torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]]))

_JOIN_4 = 2  # the decoder's convolution at stride 4 that is given the channels of that stride
_JOIN_2 = 6  # and the one at stride 2 that is given those of strides 2 and 1


class FineEncoder(VGGEncoder):
    """Images to relu4_1 of VGG-19 (512 channels), beside 192 channels each of relu3_1, relu2_1 and the pixels.

    Of relu3_1's 256 channels ``p.0`` takes 48 principal components, of relu2_1's 128 ``p.1`` takes 12, over photos,
    scaled to a variance of 1. ``p.2`` makes `OPPONENT_COLORS` of the pixels. All are kept at stride 8
    (`torch.nn.functional.pixel_unshuffle`).

    Attributes:
        architecture: ``fine``.
        feature_channels: of the features, 1088.
    """

    feature_channels = FINE_CHANNELS
    p: Sequence[nn.Conv2d]

    def __init__(self) -> None:
        super().__init__("vgg19")
        self.architecture = FINE
        pairs = zip((TAP_CHANNELS[2], TAP_CHANNELS[1], 3), COUNTS, strict=True)
        components = (nn.Conv2d(i, o, 1, bias=False) for i, o in pairs)
        self.p = nn.ModuleList(components)  # type: ignore[assignment]  # ModuleList has no element type

    def features(self, images: Tensor, taps: Sequence[Tensor]) -> Tensor:
        """What AdaIN is given, ``[B, 1088, ceil(H/8), ceil(W/8)]``, of images and their `taps`."""
        _, relu2_1, relu3_1, relu4_1 = taps
        maps = self.p[0](relu3_1), self.p[1](relu2_1), self.p[2](images)
        return torch.cat([relu4_1, *map(to_stride_8, maps, STRIDES)], 1)

    def forward(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` RGB 0..1, any size from 1x1 up, to ``[B, 1088, ceil(H/8), ceil(W/8)]``."""
        return self.features(check_images(images), self.taps(images))


class FineDecoder(Decoder):
    """The features of `FineEncoder` to images.

    `Decoder`, but ``c.2`` is given the channels of relu3_1 beside its own input, ``c.6`` those of relu2_1 and the
    pixels, these as 12 channels at stride 2, and ``d`` (3x3, 3 -> 3) adds the pixels to the result.

    Attributes:
        architecture: ``fine``.
        feature_channels: of the features, 1088.
    """

    feature_channels = FINE_CHANNELS

    def __init__(self) -> None:
        super().__init__("vgg19")
        self.architecture = FINE
        for k, more in ((_JOIN_4, COUNTS[0]), (_JOIN_2, COUNTS[1] + 4 * COUNTS[2])):
            plain = self.c[k]
            assert isinstance(plain, nn.Conv2d)
            self.c[k] = nn.Conv2d(plain.in_channels + more, plain.out_channels, 3)
        self.d = nn.Conv2d(COUNTS[2], 3, 3, bias=False)

    def forward(self, features: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decodes features.

        Args:
            features: ``[B, 1088, h, w]``.
            size: height and width of the content image; the result is cropped to it. None: ``8h, 8w``.

        Returns:
            ``[B, 3, H, W]`` RGB, nominally 0..1, not clamped.

        Raises:
            AdaINError: the features have another shape, or are not those of an image of that size.
        """
        x: Tensor = super().forward(check_features(features, size, self.feature_channels))
        x = x + pixels_of_features(features, self.d.weight)
        return x if size is None else x[..., : size[0], : size[1]]

    def parts(self, features: Tensor) -> tuple[Tensor, Mapping[int, Tensor]]:
        return parts_of_features(features)


def to_stride_8(x: Tensor, stride: int) -> Tensor:
    """A map at a stride, continued to whole positions of the feature grid by repeating its last column and row, at
    stride 8: ``[B, C, H, W]`` to ``[B, C (8/stride)^2, h, w]``."""
    factor = STRIDE // stride
    right, bottom = (-side % factor for side in (x.shape[3], x.shape[2]))
    if right or bottom:  # padding by nothing would copy
        x = F.pad(x, (0, right, 0, bottom), mode="replicate")
    return F.pixel_unshuffle(x, factor)


def parts_of_features(features: Tensor) -> tuple[Tensor, Mapping[int, Tensor]]:
    """relu4_1, and what convolutions of the decoder are given beside their own input, by their number."""
    relu4_1, at_4, at_2, pixels = finer_of_features(features)
    return relu4_1, {_JOIN_4: at_4, _JOIN_2: torch.cat([at_2, F.pixel_unshuffle(pixels, 2)], 1)}


def pixels_of_features(features: Tensor, weight: Tensor) -> Tensor:
    """The pixels among the features, convolved with the decoder's ``d``, ``[B, 3, 8h, 8w]``."""
    return F.conv2d(pad_one(finer_of_features(features)[-1]), weight)


def finer_of_features(features: Tensor) -> list[Tensor]:
    """relu4_1, and the finer channels at strides 4, 2 and 1."""
    relu4_1, *finer = torch.split(features, [FEATURE_CHANNELS, *_AT_STRIDE_8], 1)
    shuffled = (F.pixel_shuffle(x, STRIDE // stride) for x, stride in zip(finer, STRIDES, strict=True))
    return [relu4_1, *shuffled]
