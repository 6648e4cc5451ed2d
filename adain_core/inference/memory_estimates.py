"""How much memory work on an image of some size takes, and what fits into how much."""

from __future__ import annotations

import math

from ..method.features import STRIDE
from .tiling import MIN_TILE_SIZE

# Peak of encoder or decoder beside its input, per pixel of the tile, in float32: the first block's pooled output, 64
# bytes, and what it becomes, 68 with the finer channels. Above it all the bands of `conv_chain` and Winograd's kernels,
# which do not grow with the tile.
BYTES_PER_PIXEL = 140
BAND_BYTES = 400 << 20
# The same and the image as bytes and floats, its features before and after AdaIN, and the result.
WHOLE_BYTES_PER_PIXEL = 300
# An image as a whole, from a file and to one: its bytes twice, and as floats itself, its result and a step in between.
PICTURE_BYTES_PER_PIXEL = 64
# Encoder or decoder by the modules' own forward, whose maps are whole: three of 64 channels (a convolution's input,
# padded input and output) and what the allocator keeps. With gradients that many for each layer.
PLAIN_BYTES_PER_PIXEL = 1000
# A pass forward and back through the encoder or the decoder, as in refining: per pixel of the tile.
GRADIENT_BYTES_PER_PIXEL = 4000
# What refining keeps of the whole image: picture, its gradient and rest; features, their offset, gradient and mean.
REFINING_BYTES_PER_PIXEL = 400
# Matching the colours of an image as a whole: its coordinates in float64, sorted one axis after the other.
COLOR_BYTES_PER_PIXEL = 320

_SMALLEST_WITH_HALO = 2 * MIN_TILE_SIZE  # pixels, the side of the smallest tile and a VGG's halo


def working_memory(pixels: int, bytes_per_value: int = 4) -> int:
    """Bytes that encoding or decoding that many pixels at once needs beside images and features."""
    return BAND_BYTES + pixels * BYTES_PER_PIXEL * bytes_per_value // 4


def plain_memory(pixels: int) -> int:
    """Bytes of one pass of that many pixels through a module's own ``forward``, as in training, in float32."""
    return pixels * PLAIN_BYTES_PER_PIXEL


def whole_memory(pixels: int, refined: bool = False) -> int:
    """Bytes that stylizing an image of that many pixels at once needs in all, from file to file.

    Refining goes through it in tiles, so only the smallest of them must fit beside it.
    """
    smallest = 2 * _SMALLEST_WITH_HALO**2 * GRADIENT_BYTES_PER_PIXEL + pixels * REFINING_BYTES_PER_PIXEL
    return BAND_BYTES + pixels * WHOLE_BYTES_PER_PIXEL + (smallest if refined else 0)


def picture_memory(pixels: int) -> int:
    """Bytes that reading an image file of that many pixels as a whole, and writing a result of that size, needs."""
    return pixels * PICTURE_BYTES_PER_PIXEL


def color_memory(pixels: int) -> int:
    """Bytes that `color.match_color` needs for an image and a reference of that many pixels."""
    return pixels * COLOR_BYTES_PER_PIXEL


def pixels_in(available: int, bytes_per_value: int = 4) -> int:
    """How many pixels can be worked on at once in that memory: the inverse of `working_memory`, at least 0."""
    return max(available - BAND_BYTES, 0) * 4 // (BYTES_PER_PIXEL * bytes_per_value)


def automatic_tile_size(height: int, width: int, halo: int, available: int, bytes_per_value: int = 4) -> int:
    """The largest tile size whose working memory fits; 0 when the whole image does.

    Args:
        height, width: of the image, in pixels.
        halo: of the model, in positions on the feature grid.
        available: bytes to stay below.
        bytes_per_value: 4 for float32, 2 for half precision.
    """
    pixels = pixels_in(available, bytes_per_value)
    return 0 if height * width <= pixels else square_tile(pixels, halo)


def square_tile(pixels: int, halo: int) -> int:
    """The largest tile size that has at most that many pixels with its halo, a multiple of 8; never below 64."""
    return max((math.isqrt(pixels) - 2 * halo * STRIDE) // STRIDE * STRIDE, MIN_TILE_SIZE)
