"""The three steps, each with only the model it needs: encode, apply a style, decode."""

from __future__ import annotations

import torch
from torch import Tensor

from .adain import adain, check_batch
from .decoder import Decoder
from .features import Features
from .masks import to_places
from .style import Style, check_same_encoder
from .vgg import VGGEncoder


@torch.inference_mode()
def encode(encoder: VGGEncoder, images: Tensor, mask: Tensor | None = None) -> Features:
    """Encodes images on the encoder's device.

    Args:
        encoder: from `adain_core.checkpoint.load_encoder`.
        images: ``[B, 3, H, W]`` RGB 0..1.
        mask: ``[B or 1, h, w]`` 0..1 over the image; the features' statistics are taken only from there.

    Returns:
        Features on the encoder's device.

    Raises:
        AdaINError: images or mask of another shape, or a mask batch that does not fit, quoting both sizes.
    """
    parameter = next(encoder.parameters())
    images = images.to(parameter.device, parameter.dtype, memory_format=torch.channels_last)
    tensor = encoder(images)
    size = (images.shape[2], images.shape[3])
    places = None if mask is None else _places(mask, size, images.shape[0]).to(tensor.device)
    return Features(tensor, size, encoder.fingerprint, places)


@torch.inference_mode()
def apply_style(
    content: Features,
    style: Style,
    alpha: float = 1.0,
    channels: Tensor | None = None,
    mask: Tensor | None = None,
) -> Features:
    """AdaIN on features, on the content's device.

    Args:
        content: the content's features.
        style: what they shall look like; a batch of 1 is broadcast.
        alpha: content-style trade-off, 0..1.
        channels: channel mask ``[512]``, 0..1.
        mask: spatial mask over the content image, ``[B or 1, h, w]`` 0..1; the content's statistics are then taken
            inside it.

    Raises:
        AdaINError: features and style of different encoders, or anything `adain_core.adain.adain` refuses.
    """
    check_same_encoder(content.encoder, style.encoder)
    if mask is not None:
        mask = _places(mask, content.size, content.tensor.shape[0])
    known = content.statistics if mask is None and alpha else None
    statistics = style.to(content.tensor.device).statistics
    return Features(adain(content.tensor, statistics, alpha, channels, mask, known), content.size, content.encoder)


@torch.inference_mode()
def decode(decoder: Decoder, features: Features) -> Tensor:
    """Decodes features on the decoder's device.

    Returns:
        ``[B, 3, H, W]`` RGB 0..1, of exactly the content's size.

    Raises:
        AdaINError: a decoder trained for another encoder.
    """
    check_same_encoder(decoder.trained_for, features.encoder)
    parameter = next(decoder.parameters())
    return decoder(features.tensor.to(parameter.device, parameter.dtype), features.size).clamp_(0, 1)


def _places(mask: Tensor, size: tuple[int, int], batch: int) -> Tensor:
    places = to_places(mask, size)
    check_batch("mask", places.shape[0], batch)
    return places
