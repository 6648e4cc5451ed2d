"""Conversion of ComfyUI's images and masks to the core's and back."""

from __future__ import annotations

from torch import Tensor

from ..adain_core.errors import AdaINError, check_finite
from . import host


def to_core(image: Tensor, name: str) -> Tensor:
    """IMAGE ``[B, H, W, C]`` 0..1 as ``[B, 3, H, W]``; transparent pixels blended with white, greyscale repeated.

    Args:
        image: of any floating type, which it keeps.
        name: of the input, for messages.

    Raises:
        AdaINError: another shape, or pixels that are not finite.
    """
    if image.ndim != 4 or image.shape[3] not in (1, 3, 4):
        raise AdaINError(f"{name}: expected shape [batch, height, width, 3], found {list(image.shape)}")
    check_finite(name, image)
    image = image.movedim(3, 1)
    if image.shape[1] == 4:
        opacity = image[:, 3:]
        image = image[:, :3] * opacity + (1 - opacity)
    return image.expand(-1, 3, -1, -1)


def to_comfy(images: Tensor) -> Tensor:
    """``[B, 3, H, W]`` as IMAGE ``[B, H, W, 3]``, where ComfyUI keeps images and of the type it keeps."""
    return images.movedim(1, 3).to(host.output_device(), host.output_dtype()).contiguous()
