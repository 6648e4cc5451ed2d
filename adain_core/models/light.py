"""The light pair: an encoder of its own and its decoder, learned together, for real time without a graphics card.

Both are chains of 3x3 convolutions without normalization or global layers, so tiles with a halo are exact. A style is
the channel statistics of the encoder's one feature map, as with VGG; AdaIN stands between the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..method.features import STRIDE
from .decoder import check_features
from .padding import pad_one
from .upsampled_convolution import UpsampledConv2d
from .vgg import BiasedConvolution, check_images

LIGHT = "light"  # the architecture's name in files
DEEP = 128  # channels at stride 8, which see 55x55 pixels
SHALLOW = 16  # channels at stride 4, which see 15x15 pixels; as 4 * 16 channels at stride 8
LIGHT_CHANNELS = DEEP + 4 * SHALLOW

# Output channels of the convolutions in order, and their strides.
_ENCODER = (32, 48, 48, DEEP, DEEP, DEEP)
_ENCODER_STRIDES = (2, 2, 1, 2, 1, 1)
_DECODER = (128, 128, 128, 128, 128, 32, 48, 32, 32, 12)
_UPSAMPLED = (5, 7)  # the decoder's convolutions that follow nearest-neighbour upsampling by 2
_JOINED = 6  # and the one that is given the shallow channels again


class LightEncoder(nn.Module):
    """Images to features: 128 deep channels at stride 8 beside 16 shallow ones at stride 4.

    ``c.0`` and ``c.1`` halve the size (3 -> 32 -> 48 channels), ``c.2`` gives the map at stride 4, whose first 16
    channels are the shallow ones. ``c.3`` halves it again (128 channels), ``c.4`` and ``c.5`` are a residual block. The
    shallow channels are kept as four channels at stride 8 each (2x2 positions, `torch.nn.functional.pixel_unshuffle`).
    No ReLU stands before AdaIN.

    Attributes:
        architecture: ``light``.
        feature_channels: of the features.
        halo: positions on the feature grid around a tile that its features depend on: a position sees 27 pixels before
            its 8x8 and 20 behind.
        fingerprint: identifies the weights, set by `model_files.load_encoder`.
    """

    architecture = LIGHT
    feature_channels = LIGHT_CHANNELS
    halo = 4
    c: Sequence[BiasedConvolution]

    def __init__(self) -> None:
        super().__init__()
        self.fingerprint = ""
        layers = zip((3, *_ENCODER[:-1]), _ENCODER, _ENCODER_STRIDES, strict=True)
        self.c = nn.ModuleList(nn.Conv2d(i, o, 3, stride) for i, o, stride in layers)  # type: ignore[assignment]

    def forward(self, images: Tensor) -> Tensor:
        """``[B, 3, H, W]`` RGB 0..1, any size from 1x1 up, to ``[B, 192, ceil(H/8), ceil(W/8)]``."""
        x = to_whole_positions(check_images(images))
        for convolution in self.c[:2]:
            x = F.relu(convolution(pad_one(x)))
        x = self.c[2](pad_one(x))
        shallow = shallow_of_map(x)
        x = self.c[3](pad_one(F.relu(x)))
        residual = F.relu(self.c[4](pad_one(F.relu(x))))
        return torch.cat([x + self.c[5](pad_one(residual)), shallow], 1)


class LightDecoder(nn.Module):
    """Features to images.

    ``c.0`` mixes deep and shallow channels (192 -> 128) at stride 8, ``c.1``-``c.2`` and ``c.3``-``c.4`` are residual
    blocks. ``c.5`` (32 channels, without ReLU) follows nearest-neighbour upsampling to stride 4, where the shallow
    channels join again for ``c.6`` (48). ``c.7`` (32) follows the upsampling to stride 2, where ``c.8`` (32) and
    ``c.9`` (12) are, too; the 12 channels are 2x2 pixels of RGB (`torch.nn.functional.pixel_shuffle`).

    Attributes:
        architecture: ``light``.
        feature_channels: of the features.
        halo: positions on the feature grid around a tile that its pixels depend on.
        normalization: ``none``, see `Decoder`.
        trained_for: fingerprint of the encoder it was trained with, set by `model_files.load_decoder`.
    """

    architecture = LIGHT
    feature_channels = LIGHT_CHANNELS
    halo = 7
    normalization = "none"
    c: Sequence[BiasedConvolution]

    def __init__(self) -> None:
        super().__init__()
        self.trained_for = ""
        inputs = [LIGHT_CHANNELS, *_DECODER[:-1]]
        inputs[_JOINED] += SHALLOW
        convolutions = (
            UpsampledConv2d(i, o) if k in _UPSAMPLED else nn.Conv2d(i, o, 3)
            for k, (i, o) in enumerate(zip(inputs, _DECODER, strict=True))
        )
        self.c = nn.ModuleList(convolutions)  # type: ignore[assignment]

    def forward(self, features: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Decodes features.

        Args:
            features: ``[B, 192, h, w]``.
            size: height and width of the content image; the result is cropped to it. None: ``8h, 8w``.

        Returns:
            ``[B, 3, H, W]`` RGB, nominally 0..1, not clamped.

        Raises:
            AdaINError: the features have another shape, or are not those of an image of that size.
        """
        x = self._convolve(0, check_features(features, size, self.feature_channels))
        for k in (1, 3):
            x = x + self._convolve(k + 1, F.relu(self._convolve(k, F.relu(x))))
        x = self._convolve(5, F.relu(x))
        x = F.relu(self._convolve(_JOINED, torch.cat([x, shallow_of_features(features)], 1)))
        x = F.relu(self._convolve(7, x))
        x = F.relu(self._convolve(8, x))
        x = F.pixel_shuffle(self._convolve(9, x), 2)
        return x if size is None else x[..., : size[0], : size[1]]

    def _convolve(self, k: int, x: Tensor) -> Tensor:
        return self.c[k](x if k in _UPSAMPLED else pad_one(x))


def to_whole_positions(images: Tensor) -> Tensor:
    """Images continued to multiples of 8 pixels by repeating their last column and row."""
    height, width = images.shape[-2:]
    if height % STRIDE == 0 and width % STRIDE == 0:
        return images
    return F.pad(images, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")


def shallow_of_map(x: Tensor) -> Tensor:
    """The shallow channels of the encoder's map at stride 4, as they are among the features, ``[B, 64, h, w]``."""
    return F.pixel_unshuffle(x[:, :SHALLOW], 2)


def shallow_of_features(features: Tensor) -> Tensor:
    """The shallow channels of features, at stride 4: ``[B, 16, 2h, 2w]``."""
    return F.pixel_shuffle(features[:, DEEP:], 2)
