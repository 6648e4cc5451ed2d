"""Restores the local contrast that is lost when frames are averaged."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

_BANDS = (3, 7, 15)  # pixels: sides of the windows between whose means the bands of detail lie
_WINDOW = 17  # pixels: side of the window that contrast is measured in
_LARGEST_GAIN = 2.0  # two unrelated pictures averaged evenly lose a factor of 1.4
_EPSILON = 1e-6  # square of an invisible contrast; keeps flat regions flat


def restore_contrast(image: Tensor, reference: Tensor) -> Tensor:
    """Amplifies the detail of an image to the local contrast of a reference, in three bands of frequency.

    The mean of pictures whose brush strokes differ has paler strokes than each of them. Contrast is only added: pixels
    with at least the reference's contrast around them stay equal to the bit.

    Args:
        image: ``[B, 3, H, W]`` RGB 0..1.
        reference: the same shape.

    Returns:
        ``[B, 3, H, W]`` RGB 0..1.
    """
    result, smooth, smooth_reference = image, image, reference
    for side in _BANDS:
        smoother, smoother_reference = _mean(smooth, side), _mean(smooth_reference, side)
        band, band_reference = smooth - smoother, smooth_reference - smoother_reference
        gain = ((_power(band_reference) + _EPSILON) / (_power(band) + _EPSILON)).sqrt().clamp(1, _LARGEST_GAIN)
        result = result + (gain - 1) * band
        smooth, smooth_reference = smoother, smoother_reference
    return result.clamp(0, 1)


def _power(band: Tensor) -> Tensor:
    """Mean square over the colours and a window, ``[B, 1, H, W]``."""
    return _mean(band.square().mean(dim=1, keepdim=True), _WINDOW)


def _mean(x: Tensor, side: int) -> Tensor:
    """The mean over a window around each pixel, of the pixels inside the image."""
    rows = F.avg_pool2d(x, (side, 1), 1, (side // 2, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, side // 2), count_include_pad=False)
