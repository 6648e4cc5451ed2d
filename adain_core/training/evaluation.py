"""Measures a pair: the paper's losses and the reconstruction on images it was not trained on."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..method.adain import adain
from ..method.features import deepest
from ..method.losses import content_loss, style_terms
from ..method.normalization import channel_statistics
from ..models.bundled import vgg_of
from ..models.model_files import AnyDecoder, AnyEncoder
from ..models.vgg import VGGEncoder

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Evaluation:
    """Means over the pairs.

    Attributes:
        content: content loss (eq. 12).
        style: style loss per layer (eq. 13), unweighted.
        psnr: of content images decoded from their own features (content = style), dB.
        outside: share of output values outside 0..1 before clamping.
        outputs, reconstructions: ``[B, 3, H, W]`` 0..1.
    """

    content: float
    style: tuple[float, float, float, float]
    psnr: float
    outside: float
    outputs: Tensor
    reconstructions: Tensor

    def figures(self) -> dict[str, float | list[float]]:
        """The numbers alone, rounded, for JSON."""
        style = [round(value, 4) for value in self.style]
        return {"content": round(self.content, 4), "style": style, "psnr": self.psnr, "outside": round(self.outside, 5)}


def psnr(images: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio ``-10 log10(mean((x - y)^2))`` of each image, dB, ``[B]``. Images 0..1."""
    error = (images - reference).square().flatten(1).mean(dim=1)
    return -10 * torch.log10(error.clamp(min=1e-10))


@torch.no_grad()
def evaluate(
    encoder: AnyEncoder, decoder: AnyDecoder, content: Tensor, style: Tensor, vgg: VGGEncoder | None = None
) -> Evaluation:
    """Measures a decoder on pairs of images, in float32, on its outputs as they would be saved (clamped to 0..1).

    Args:
        encoder, decoder: on one device, of any precision; the decoder is used in evaluation mode and left in the mode
            it was in.
        content, style: ``[B, 3, n, n]`` RGB 0..1, sides multiples of 8, one pair after the other.
        vgg: whose features the losses are of, on the same device; None: `vgg_of` the encoder.

    Returns:
        Means over the pairs; outputs and reconstructions on the CPU.
    """
    encoder, decoder = in_float32(encoder), in_float32(decoder)
    training = decoder.training
    decoder.eval()
    device = next(decoder.parameters()).device
    vgg = vgg or vgg_of(encoder)
    sums = torch.zeros(7, dtype=torch.float64)
    outputs, reconstructions = [], []
    # One pair at a time: memory is bounded, and the figures do not depend on how pairs are grouped.
    for x, y in zip(torch.split(content, 1), torch.split(style, 1), strict=True):
        x, y = (image.to(device, memory_format=torch.channels_last) for image in (x, y))
        features, taps = encoder(x), vgg.taps(y)
        target = wanted = adain(features, channel_statistics(vgg.features(y, taps) if vgg is encoder else encoder(y)))
        if vgg is not encoder:
            wanted = adain(vgg(x), channel_statistics(taps[-1]))
        raw = decoder(target)
        output = raw.clamp(0, 1)
        again = decoder(adain(features, channel_statistics(features))).clamp(0, 1)
        found = vgg.taps(output)
        terms = style_terms(found, [channel_statistics(tap) for tap in taps])
        outside = (raw != output).float().mean()
        sums += (
            torch.stack([content_loss(found[-1], deepest(wanted)), *terms, psnr(again, x)[0], outside]).cpu().double()
        )
        outputs.append(output.cpu())
        reconstructions.append(again.cpu())
    decoder.train(training)
    content_mean, *style_means, psnr_mean, outside_mean = (sums / content.shape[0]).tolist()
    return Evaluation(
        content_mean,
        tuple(style_means),
        round(psnr_mean, 3),
        outside_mean,
        torch.cat(outputs),
        torch.cat(reconstructions),
    )


def in_float32(model: M) -> M:
    """The model, or a copy where it computes in another precision, as those of a `Stylizer` may."""
    return model if next(model.parameters()).dtype == torch.float32 else copy.deepcopy(model).float()
