"""Conversion of ComfyUI's images and masks to the core's and back."""

from __future__ import annotations

import torch
from torch import Tensor

from ..adain_core.errors import AdaINError, check_finite
from ..adain_core.images.transparency import fill, mean_color
from ..adain_core.method.adain import nonempty
from . import host

_LARGEST = 1e4  # of a pixel's value; what is much larger overflows in the networks


def to_core(image: Tensor, name: str) -> Tensor:
    """IMAGE ``[B, H, W, C]`` 0..1 as ``[B, 3, H, W]``; without opacity, greyscale repeated.

    Fully transparent pixels get the colours near by, as image files do on the command line.

    Args:
        image: of any floating type, which it keeps.
        name: of the input, for messages.

    Raises:
        AdaINError: another shape, or pixels that are not finite or far from 0..1.
    """
    if image.ndim != 4 or image.shape[3] not in (1, 3, 4):
        raise AdaINError(f"{name}: expected shape [batch, height, width, 3], found {list(image.shape)}")
    check_finite(name, image)
    if image.numel() and max(float(image.amax()), -float(image.amin())) > _LARGEST:
        raise AdaINError(f"{name}: expected pixels from 0 to 1, found some beyond {_LARGEST:g}")
    image = image.movedim(3, 1)
    if image.shape[1] == 4:
        image = torch.cat([_filled(one[:, :3], one[:, 3:].clamp(0, 1)) for one in image.split(1)])
    return image.expand(-1, 3, -1, -1)


def unfilled(image: Tensor) -> Tensor:
    """An IMAGE without opacity, its own colours also where it is transparent: for results that are the very image."""
    return image[..., :3] if image.shape[3] == 4 else image


def opacity_of(image: Tensor) -> Tensor | None:
    """How much the pixels of an IMAGE with a fourth channel count in statistics, ``[B, H, W]`` 0..1.

    None: all the same. Those of an image of which nothing can be seen count, too.
    """
    if image.shape[3] != 4:
        return None
    opacity = image[..., 3].float().clamp(0, 1)
    return None if bool((opacity == 1).all()) else nonempty(opacity)


def _filled(colour: Tensor, opacity: Tensor) -> Tensor:
    return fill(colour, opacity, mean_color(colour, opacity)) if bool((opacity > 0).any()) else colour


def to_comfy(images: Tensor, source: Tensor | None = None) -> Tensor:
    """``[B, 3, H, W]`` as IMAGE ``[B, H, W, 3]``, where ComfyUI keeps images and of the type it keeps.

    Args:
        source: the IMAGE they are made of. Where it has an opacity, they get it as their fourth channel.
    """
    image = images.movedim(1, 3).to(host.output_device(), host.output_dtype())
    if source is not None and source.shape[3] == 4:
        image = torch.cat([image, source[..., 3:].to(image).expand(len(image), -1, -1, -1)], dim=3)
    return image.contiguous()
