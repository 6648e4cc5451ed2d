"""Styles fitted through the decoder: one for several images, or one for each, a bank.

The statistics of one painting depend on its subject. The average over several paintings is duller than each, and
decoded images never have exactly the statistics that the decoder is given. Fitting starts at the statistics, or their
average, and minimizes the style loss (eq. 13) over the style's means and deviations, with both models fixed, as long as
the content loss (eq. 12) stays about what it was. Images decoded in the fitted style then come closer, at all four
layers, to the statistics that the given images have.

Means and deviations of one style are the shift and scale of conditional instance normalization (Dumoulin et al.,
"A Learned Representation for Artistic Style", ICLR 2017, eq. 5), in front of a decoder that is left as it is; a bank
has N of them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import AdaINError
from ..images.resize import scale
from ..method.adain import adain
from ..method.fast_statistics import training_statistics
from ..method.features import deepest
from ..method.normalization import Statistics, channel_statistics
from ..method.spatial_masks import to_feature_grid, to_size
from ..method.style import ShallowStatistics, Style, check_same_encoder
from ..models.bundled import vgg_of
from ..models.model_files import AnyDecoder, AnyEncoder
from ..models.vgg import VGGEncoder, check_images
from ..progress import ProgressCallback

# In deviations of a channel (means) and in logarithms (deviations); decays to 0 over the steps. With larger ones
# Adam's first steps, each after one photo's gradient, raise the loss of some styles (benchmarks/README.md).
STEP_SIZE = 0.03
CONTENT_ROOM = 1.05  # of its content loss at the start a picture may have
CONTENT_WEIGHT = 3.0  # of what it has beyond that, in shares of the start, as the style loss is
LARGEST_STYLE = 1024  # pixels, the longer side: larger images are scaled down
CROP = 144  # pixels, of the contents that are stylized meanwhile
_TOGETHER = 4  # styles of a bank


def fit_style(
    encoder: AnyEncoder,
    decoder: AnyDecoder,
    images: list[Tensor],
    steps: int,
    contents: list[Tensor] | None = None,
    progress: ProgressCallback | None = None,
    masks: Sequence[Tensor | None] | None = None,
) -> Style:
    """Fits one style to images, on the encoder's device.

    It minimizes ``sum_i |mu(f_i(g(t))) - mu_i|^2 + |sigma(f_i(g(t))) - sigma_i|^2`` over mean and deviation of
    ``t = AdaIN(f(c), style)``, one content c per step in turn, with Adam. Beyond `CONTENT_ROOM` times what it was,
    ``|f(g(t)) - t|^2`` counts, too. The layers f_i are VGG's: the encoder's own, or for another kind of encoder the
    bundled one's. The terms are squares, so the average of the images' statistics is the same target as all of them
    together.

    Args:
        encoder, decoder: a pair; they are left as they are.
        images: of the style, ``[1, 3, H, W]`` RGB 0..1 each, of any size.
        steps: of gradient descent; 0: the plain average.
        contents: images to stylize at each step, shaped the same; None: ``images``.
        progress: told after each image encoded and each step; whatever it raises stops the work.
        masks: how much the pixels of each image count in its statistics, ``[1, h, w]`` 0..1, some above 0; None: all
            the same. None at all: so for every image.

    Returns:
        The style, batch 1.

    Raises:
        AdaINError: no images, a negative number of steps, or a decoder trained for another encoder.
    """
    return _fitted(encoder, decoder, images, steps, contents, progress, masks, together=True)


def fit_bank(
    encoder: AnyEncoder,
    decoder: AnyDecoder,
    images: list[Tensor],
    steps: int,
    contents: list[Tensor] | None = None,
    progress: ProgressCallback | None = None,
    masks: Sequence[Tensor | None] | None = None,
) -> Style:
    """Fits a style to each image, as `fit_style` does to one; arguments and errors are the same.

    Returns:
        The styles as one of batch N, in the images' order. `style_bank` takes one out of them, or mixes them.
    """
    return _fitted(encoder, decoder, images, steps, contents, progress, masks, together=False)


def _fitted(
    encoder: AnyEncoder,
    decoder: AnyDecoder,
    images: list[Tensor],
    steps: int,
    contents: list[Tensor] | None,
    progress: ProgressCallback | None,
    masks: Sequence[Tensor | None] | None,
    together: bool,
) -> Style:
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
        rows = 1 if together else len(images)
        bounds = [*range(0, rows, _TOGETHER), rows]
        done, total = 0, len(images) + len(contents) + steps * (len(bounds) - 1)

        def tell() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, total)

        statistics, starts, features = [], [], []
        with torch.no_grad():
            for image, mask in zip(images, masks or [None] * len(images), strict=True):
                # Scaled before the copy, so that no large image goes to the device.
                pixels = _shrunk(check_images(image).float()).to(device).clone()
                taps = vgg.taps(pixels)
                statistics.append([channel_statistics(tap, _stretched(mask, tap)) for tap in taps])
                start = vgg.features(pixels, taps) if vgg is encoder else encoder(pixels)
                on_grid = None if mask is None else to_feature_grid(mask, (pixels.shape[2], pixels.shape[3]))
                starts.append([channel_statistics(start, on_grid)])
                tell()
            for content in contents:
                pixels = _crop(check_images(content).float()).to(device).clone()
                features.append((encoder(pixels), None if vgg is encoder else vgg(pixels)))
                tell()
        targets = _joined(statistics, together)
        (first,) = _joined(starts, together)
        found = [
            _descent(vgg, decoder, features, _rows(first, part), [_rows(t, part) for t in targets], steps, tell)
            for part in (slice(*bound) for bound in pairwise(bounds))
        ]
    fitted = Statistics(torch.cat([part.mean for part in found]), torch.cat([part.std for part in found]))
    shallow = ShallowStatistics(targets[:-1]) if vgg is encoder else None
    return Style(fitted, encoder.fingerprint, shallow=shallow)


def _descent(
    vgg: VGGEncoder,
    decoder: AnyDecoder,
    features: Sequence[tuple[Tensor, Tensor | None]],
    start: Statistics,
    targets: Sequence[Statistics],
    steps: int,
    tell: Callable[[], None],
) -> Statistics:
    """Styles ``[N, C]`` fitted at once; each as if it were alone.

    Args:
        features: of the contents, ``[1, C, h, w]`` each, and VGG's where the encoder is another.
        start: the styles to begin at.
        targets: at VGG's layers, ``[N, C_i]`` each.
    """
    shift = torch.zeros_like(start.mean, requires_grad=True)
    growth = torch.zeros_like(start.std, requires_grad=True)
    optimizer = torch.optim.Adam([shift, growth], lr=STEP_SIZE)

    def style() -> Statistics:
        return Statistics(start.mean + start.std * shift, start.std * growth.exp())

    def losses(content: Tensor, seen: Tensor | None, style: Statistics) -> tuple[Tensor, Tensor]:
        """Style loss (eq. 13) and content loss (eq. 12) of each style, ``[N]``."""
        target = adain(content.expand(len(start.mean), -1, -1, -1), style)
        taps = vgg.taps(decoder(target))
        if seen is not None:
            target = adain(seen.expand(len(start.mean), -1, -1, -1), targets[-1])
        terms = [
            (value - aim).square().mean(dim=1)
            for tap, goal in zip(taps, targets, strict=True)
            for value, aim in zip(training_statistics(tap), goal, strict=True)
        ]
        return torch.stack(terms).sum(dim=0), (taps[-1] - deepest(target)).square().flatten(1).mean(dim=1)

    before: list[tuple[Tensor, Tensor]] = []  # the losses with each content at the start
    for step in range(steps):
        content = features[step % len(features)]
        if step < len(features):
            with torch.no_grad():
                before.append(losses(*content, start))
        for group in optimizer.param_groups:
            group["lr"] = STEP_SIZE * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.zero_grad()
        now = losses(*content, style())
        by_style, by_content = (x / first for x, first in zip(now, before[step % len(features)], strict=True))
        torch.autograd.backward((by_style + CONTENT_WEIGHT * (by_content - CONTENT_ROOM).relu()).sum())
        optimizer.step()
        tell()
    return Statistics(*(values.detach() for values in style()))


def _joined(statistics: list[list[Statistics]], together: bool) -> list[Statistics]:
    """Of each layer: those of all images as a batch, or their mean."""
    layers = []
    for layer in zip(*statistics, strict=True):
        batch = Statistics(torch.cat([s.mean for s in layer]), torch.cat([s.std for s in layer]))
        layers.append(Statistics(*(x.mean(dim=0, keepdim=True) for x in batch)) if together else batch)
    return layers


def _rows(statistics: Statistics, part: slice) -> Statistics:
    return Statistics(*(values[part] for values in statistics))


def _stretched(mask: Tensor | None, tap: Tensor) -> Tensor | None:
    """A mask over the image at a layer's size."""
    return None if mask is None else to_size(mask, (tap.shape[2], tap.shape[3]))


def _shrunk(image: Tensor) -> Tensor:
    return scale(image, min(1.0, LARGEST_STYLE / max(image.shape[2:])))


def _crop(image: Tensor) -> Tensor:
    """The centre, the shorter side scaled down to CROP pixels."""
    image = scale(image, min(1.0, CROP / min(image.shape[2:])))
    top, left = (max(side - CROP, 0) // 2 for side in image.shape[2:])
    return image[..., top : top + CROP, left : left + CROP]
