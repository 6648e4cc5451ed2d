"""How much memory work on an image of some size takes, and what fits into how much.

Of what grows with the size a good part are features, and these with the encoder's channels: `feature_channels` of
encoder and decoder.
"""

from __future__ import annotations

import math

from ..method.features import STRIDE
from .tiling import MIN_TILE_SIZE

# Peak of encoder or decoder beside its input and features, per pixel of the tile, in float32: the first block's pooled
# output, 64 bytes, and what else is left then. Above it all the bands of `conv_chain` and Winograd's kernels, which do
# not grow with the tile.
_MAP_BYTES_PER_PIXEL = 72
BAND_BYTES = 400 << 20
# Of an image as a whole beside that, and its features before and after AdaIN: as bytes and floats, and the result.
_IMAGE_BYTES_PER_PIXEL = 32
# An image as a whole, from a file and to one: its bytes twice, and as floats itself, its result and a step in between.
PICTURE_BYTES_PER_PIXEL = 64
# Encoder or decoder by the modules' own forward, whose maps are whole: three of 64 channels (a convolution's input,
# padded input and output) and what the allocator keeps. With gradients that many for each layer.
PLAIN_BYTES_PER_PIXEL = 1000
# A pass forward and back through the encoder or the decoder, as in refining: per pixel of the tile.
GRADIENT_BYTES_PER_PIXEL = 4000
# What refining keeps of the whole image beside its features: picture, its gradient, rest and mean.
_REFINING_BYTES_PER_PIXEL = 128
_REFINING_FEATURES = 4  # with their offset, its gradient and mean
# Matching the colours of an image as a whole: its coordinates in float64, sorted one axis after the other.
COLOR_BYTES_PER_PIXEL = 320

_SMALLEST_WITH_HALO = 2 * MIN_TILE_SIZE  # pixels, the side of the smallest tile and a VGG's halo


def features_per_pixel(channels: int) -> int:
    """Bytes of features, for each pixel of the image, in float32."""
    return 4 * channels // STRIDE**2


def bytes_per_pixel(channels: int) -> int:
    """Bytes that encoder or decoder take beside their input, for each pixel of the tile, in float32."""
    return _MAP_BYTES_PER_PIXEL + features_per_pixel(channels)


def working_memory(pixels: int, channels: int, bytes_per_value: int = 4) -> int:
    """Bytes that encoding or decoding that many pixels at once needs beside its input."""
    return BAND_BYTES + pixels * bytes_per_pixel(channels) * bytes_per_value // 4


def plain_memory(pixels: int) -> int:
    """Bytes of one pass of that many pixels through a module's own ``forward``, as in training, in float32."""
    return pixels * PLAIN_BYTES_PER_PIXEL


def whole_memory(pixels: int, channels: int, refined: bool = False) -> int:
    """Bytes that stylizing an image of that many pixels at once needs in all, from file to file.

    Refining goes through it in tiles, so only the smallest of them must fit beside it.
    """
    features = features_per_pixel(channels)
    needed = BAND_BYTES + pixels * (bytes_per_pixel(channels) + 2 * features + _IMAGE_BYTES_PER_PIXEL)
    if refined:
        needed += pixels * (_REFINING_BYTES_PER_PIXEL + _REFINING_FEATURES * features)
        needed += 2 * _SMALLEST_WITH_HALO**2 * GRADIENT_BYTES_PER_PIXEL
    return needed


def picture_memory(pixels: int) -> int:
    """Bytes that reading an image file of that many pixels as a whole, and writing a result of that size, needs."""
    return pixels * PICTURE_BYTES_PER_PIXEL


def color_memory(pixels: int) -> int:
    """Bytes that `color.match_color` needs for an image and a reference of that many pixels."""
    return pixels * COLOR_BYTES_PER_PIXEL


def pixels_in(available: int, channels: int, bytes_per_value: int = 4) -> int:
    """How many pixels can be worked on at once in that memory: the inverse of `working_memory`, at least 0."""
    return max(available - BAND_BYTES, 0) * 4 // (bytes_per_pixel(channels) * bytes_per_value)


def automatic_tile_size(
    height: int, width: int, halo: int, available: int, channels: int, bytes_per_value: int = 4
) -> int:
    """The largest tile size whose working memory fits; 0 when the whole image does.

    Args:
        height, width: of the image, in pixels.
        halo: of the model, in positions on the feature grid.
        available: bytes to stay below.
        channels: of the features.
        bytes_per_value: 4 for float32, 2 for half precision.
    """
    pixels = pixels_in(available, channels, bytes_per_value)
    return 0 if height * width <= pixels else square_tile(pixels, halo)


def square_tile(pixels: int, halo: int) -> int:
    """The largest tile size that has at most that many pixels with its halo, a multiple of 8; never below 64."""
    return max((math.isqrt(pixels) - 2 * halo * STRIDE) // STRIDE * STRIDE, MIN_TILE_SIZE)
