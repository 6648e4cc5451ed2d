"""What users read as a promise: outside the mask the photo's own pixels, at alpha 0 the photo."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..method.spatial_masks import to_size


def stylized_share(masks: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """How much of each pixel is stylized: the sum of the masks, at most 1.

    Args:
        masks: over the image, ``[B or 1, h, w]`` 0..1, on any devices; stretched when sizes differ.
        size: height and width of the image.

    Returns:
        ``[B or 1, H, W]`` float32, 0..1. Regions that add up to one are stylized everywhere.

    Raises:
        AdaINError: masks of another shape, or values that are not finite.
    """
    scaled = [to_size(mask, size) for mask in masks]
    total = scaled[0]
    for mask in scaled[1:]:
        total = total + mask.to(total.device)
    return total.clamp(0, 1)


def composite(content: Tensor, stylized: Tensor, share: Tensor) -> Tensor:
    """``content + share * (stylized - content)``: where the share is 0 the content's own pixels, to the bit.

    Args:
        content: ``[B, 3, H, W]`` RGB 0..1, on any device.
        stylized: the same shape.
        share: ``[B or 1, H, W]`` 0..1.

    Returns:
        ``[B, 3, H, W]``, where and as what the stylized image is.
    """
    return torch.lerp(content.to(stylized), stylized, share.to(stylized)[:, None])
