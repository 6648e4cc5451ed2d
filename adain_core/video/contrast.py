"""The contrast that averaging takes away, given back."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

_BANDS = (3, 7, 15)  # pixels: sides of the windows between whose means the bands of detail lie
_WINDOW = 17  # pixels: side of the window that contrast is measured in
_LARGEST_GAIN = 2.0  # two unrelated pictures averaged evenly lose a factor of 1.4
_EPSILON = 1e-6  # square of a contrast that nobody sees; keeps flat places flat


def restore_contrast(image: Tensor, reference: Tensor) -> Tensor:
    """Scales the detail of an image so that each place has the contrast of a reference, in three bands of frequency.

    Averaging pictures whose brush strokes differ pales the strokes: their deviation falls though each had the style's.
    Only what is missing is added, places with the contrast of the reference stay as they are, to the bit.

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
    """Means over windows, of the pixels that are inside the image."""
    rows = F.avg_pool2d(x, (side, 1), 1, (side // 2, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, side // 2), count_include_pad=False)
