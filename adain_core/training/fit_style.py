"""One style for several images, fitted through the decoder.

The statistics of one painting depend on its subject. The average over several paintings is duller than each, and
decoded images never have exactly the statistics that the decoder is given. `fit_style` starts at the average and
minimizes the style loss (eq. 13) over the style's means and deviations, with both models fixed. Images decoded in the
fitted style then have, at all four layers, the statistics that the given images have on average.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from ..errors import AdaINError
from ..images.resize import scale
from ..method.adain import adain
from ..method.losses import style_loss
from ..method.normalization import Statistics, channel_statistics
from ..method.style import ShallowStatistics, Style, check_same_encoder
from ..models.bundled import vgg_of
from ..models.model_files import AnyDecoder, AnyEncoder
from ..models.vgg import check_images
from ..progress import ProgressCallback

STEP_SIZE = 0.02  # in deviations of a channel (means) and in logarithms (deviations); decays to 0 over the steps
LARGEST_STYLE = 1024  # pixels, the longer side: larger images are scaled down
CROP = 192  # pixels, of the contents that are stylized meanwhile


def fit_style(
    encoder: AnyEncoder,
    decoder: AnyDecoder,
    images: list[Tensor],
    steps: int,
    contents: list[Tensor] | None = None,
    progress: ProgressCallback | None = None,
) -> Style:
    """Fits a style to images, on the encoder's device.

    It minimizes ``sum_i |mu(f_i(g(t))) - mu_i|^2 + |sigma(f_i(g(t))) - sigma_i|^2`` over mean and deviation of
    ``t = AdaIN(f(c), style)``, one content c per step in turn, with Adam. The layers f_i are VGG's: the encoder's own,
    or for another kind of encoder the bundled one's. The terms are squares, so the average of the images' statistics is
    the same target as all of them together.

    Args:
        encoder, decoder: a pair; they are left as they are.
        images: of the style, ``[1, 3, H, W]`` RGB 0..1 each, of any size.
        steps: of gradient descent; 0: the plain average.
        contents: images to stylize at each step, shaped the same; None: ``images``.
        progress: told after each image encoded and each step; whatever it raises stops the work.

    Returns:
        The style, batch 1.

    Raises:
        AdaINError: no images, a negative number of steps, or a decoder trained for another encoder.
    """
    check_same_encoder(decoder.trained_for, encoder.fingerprint)
    if not images:
        raise AdaINError("images: expected at least one, found none")
    if steps < 0:
        raise AdaINError(f"steps: expected a number of at least 0, found {steps}")
    # Tensors made in inference mode cannot have gradients; copies made outside of it can.
    with torch.inference_mode(False), torch.enable_grad():
        device = next(encoder.parameters()).device
        encoder = copy.deepcopy(encoder).to(device).float().eval().requires_grad_(False)
        vgg = vgg_of(encoder)
        decoder = copy.deepcopy(decoder).to(device).float().eval().requires_grad_(False)
        contents = (images if contents is None else contents)[:steps]
        done, total = 0, len(images) + len(contents) + steps

        def tell() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, total)

        statistics, starts, features = [], [], []
        with torch.no_grad():
            for image in images:
                # Scaled before the copy, so that no large image goes to the device.
                pixels = _shrunk(check_images(image).float()).to(device).clone()
                statistics.append([channel_statistics(tap) for tap in vgg.taps(pixels)])
                starts.append(statistics[-1][-1] if vgg is encoder else channel_statistics(encoder(pixels)))
                tell()
            for content in contents:
                features.append(encoder(_crop(check_images(content).float()).to(device).clone()))
                tell()
        targets = _average(statistics)
        (start,) = _average([[each] for each in starts])
        shift = torch.zeros_like(start.mean, requires_grad=True)
        growth = torch.zeros_like(start.std, requires_grad=True)
        optimizer = torch.optim.Adam([shift, growth], lr=STEP_SIZE)

        def style() -> Statistics:
            return Statistics(start.mean + start.std * shift, start.std * growth.exp())

        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = STEP_SIZE * (1 + math.cos(math.pi * step / steps)) / 2
            optimizer.zero_grad()
            output = decoder(adain(features[step % len(features)], style()))
            torch.autograd.backward(style_loss(vgg.taps(output), targets))
            optimizer.step()
            tell()
        fitted = style()
    found = Statistics(fitted.mean.detach(), fitted.std.detach())
    shallow = ShallowStatistics(targets[:-1]) if vgg is encoder else None
    return Style(found, encoder.fingerprint, shallow=shallow)


def _average(statistics: list[list[Statistics]]) -> list[Statistics]:
    """Of each layer over the images."""
    return [
        Statistics(torch.stack([s.mean for s in layer]).mean(dim=0), torch.stack([s.std for s in layer]).mean(dim=0))
        for layer in zip(*statistics, strict=True)
    ]


def _shrunk(image: Tensor) -> Tensor:
    return scale(image, min(1.0, LARGEST_STYLE / max(image.shape[2:])))


def _crop(image: Tensor) -> Tensor:
    """The centre, the shorter side scaled down to CROP pixels."""
    image = scale(image, min(1.0, CROP / min(image.shape[2:])))
    top, left = (max(side - CROP, 0) // 2 for side in image.shape[2:])
    return image[..., top : top + CROP, left : left + CROP]
