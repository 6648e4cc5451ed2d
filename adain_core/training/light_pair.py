"""The light pair in training: both networks as one, and the loss of a batch, with VGG as the judge."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..devices import parse_precision
from ..method.adain import adain
from ..method.fast_statistics import training_statistics
from ..method.features import TAPS
from ..method.losses import weighted_sum
from ..method.normalization import Statistics
from ..models.light import LIGHT, LightDecoder, LightEncoder
from ..models.vgg import VGGEncoder
from .config import TrainingConfig
from .data.pools import POOL
from .data.samples import Batch
from .regularizers import color_loss, grid_loss, range_loss, reconstruction_loss

_CONTENT_TAPS = (2, 3)  # relu3_1 and relu4_1
_CONTENT_WEIGHTS = (0.5, 1.0)
_FLAT_CONTENT = 0.05  # variance below which a channel counts as flat; activations have a mean of 1
_FLAT_STYLE = 0.3  # mean square of statistics below which a layer's differences are no longer relative


class LightPair(nn.Module):
    """Encoder, AdaIN and decoder as one network."""

    architecture = LIGHT

    def __init__(self) -> None:
        super().__init__()
        self.encoder = LightEncoder()
        self.decoder = LightDecoder()

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """Content and style ``[B, 3, n, n]`` RGB 0..1, n a multiple of 8, to the output, not clamped."""
        # Statistics and AdaIN are not rounded to the precision of the convolutions.
        features = self.encoder(torch.cat([content, style])).float().contiguous(memory_format=torch.channels_last)
        x, y = features.chunk(2)
        output: Tensor = self.decoder(adain(x, training_statistics(y), content_statistics=training_statistics(x)))
        return output


class _Seen(NamedTuple):
    """What VGG makes of one crop: statistics at all taps, and the normalized features of the content loss."""

    statistics: list[Statistics]
    shapes: list[Tensor]


class LightObjective:
    """Computes the losses of a batch of `PooledPairs`.

    The content loss compares instance-normalized features of VGG: where things are, whatever their style. The style
    loss is relative to the style's own size, so that faint styles count, too. What VGG makes of a crop is kept for the
    next time the crop comes.

    Args:
        vgg: frozen, on the device.
        config: with what weights; the light pair has no feature and no anchor loss.
    """

    def __init__(self, vgg: VGGEncoder, config: TrainingConfig) -> None:
        self.config = config
        self.dtype = parse_precision(config.precision, next(vgg.parameters()).device)
        self.vgg = vgg if self.dtype == torch.float32 else copy.deepcopy(vgg).to(self.dtype)
        self._kept: OrderedDict[tuple[str, int, int], _Seen] = OrderedDict()

    def __call__(self, network: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """One pass forward.

        Args:
            network: a `LightPair` (or DistributedDataParallel around it).
            batch: images on the device, ``identity`` on the CPU.

        Returns:
            The loss to descend, and its parts by name, unweighted and detached, each a scalar.
        """
        config = self.config
        device = batch.content.device
        identity = batch.identity.nonzero()[:, 0].to(device, non_blocking=True)
        contents, styles = self._seen(batch)
        with torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32):
            output = network(batch.content, batch.style)
        output = output.contiguous(memory_format=torch.channels_last)
        taps = self.vgg.taps(output.to(self.dtype))
        output = output.float()
        found = [training_statistics(tap) for tap in taps]
        shapes = zip(_CONTENT_TAPS, zip(*(seen.shapes for seen in contents), strict=True), strict=True)
        content = [F.mse_loss(normalized(taps[k], found[k]), torch.cat(wanted).float()) for k, wanted in shapes]
        layers = [
            relative_style_term(statistics, _together([seen.statistics[k] for seen in styles]))
            for k, statistics in enumerate(found)
        ]
        terms = {
            "content": (config.content_weight, weighted_sum(content, _CONTENT_WEIGHTS)),
            "style": (config.style_weight, weighted_sum(layers, config.style_layers)),
        }
        terms |= {f"style {tap}": (0.0, term) for tap, term in zip(TAPS, layers, strict=True)}
        if config.identity_share > 0:
            pixels = reconstruction_loss(output, batch.content, identity)
            terms["reconstruction"] = (config.reconstruction_weight, pixels)
        terms["range"] = (config.range_weight, range_loss(output))
        terms["color"] = (config.color_weight, color_loss(output, batch.style))
        if config.grid_weight > 0:
            terms["grid"] = (config.grid_weight, grid_loss(output))
        used = [(weight, term) for weight, term in terms.values() if weight > 0]
        total = weighted_sum([term for _, term in used], [weight for weight, _ in used])
        return total, {"total": total.detach()} | {name: term.detach() for name, (_, term) in terms.items()}

    def _seen(self, batch: Batch) -> tuple[list[_Seen], list[_Seen]]:
        """What VGG makes of the contents, and of the styles."""
        contents, styles = [], []
        for k, (content, style) in enumerate(batch.crops):
            contents.append(self._look("content", content, batch.content[k : k + 1]))
            same = bool(batch.identity[k])
            styles.append(contents[-1] if same else self._look("style", style, batch.style[k : k + 1]))
        return contents, styles

    @torch.no_grad()
    def _look(self, role: str, number: int, image: Tensor) -> _Seen:
        """Crops one by one: what a resumed training computes anew has the same bits."""
        key = (role, number, image.shape[3])
        if key not in self._kept:
            while len(self._kept) >= 2 * POOL:
                self._kept.popitem(last=False)
            taps = self.vgg.taps(image.to(self.dtype))
            statistics = [training_statistics(tap) for tap in taps]
            shapes = [normalized(taps[k], statistics[k]).to(self.dtype) for k in _CONTENT_TAPS if role == "content"]
            self._kept[key] = _Seen(statistics, shapes)
        return self._kept[key]


def normalized(features: Tensor, statistics: Statistics) -> Tensor:
    """``(x - mean) / sqrt(std^2 + e)`` per sample and channel, float32: features without their style."""
    mean, std = statistics
    scale = (std.square() + _FLAT_CONTENT).rsqrt()
    return (features.float() - mean[..., None, None]) * scale[..., None, None]


def relative_style_term(found: Statistics, wanted: Statistics) -> Tensor:
    """A layer's term of eq. 13, of each sample over the mean square of the style's statistics; the batch's mean."""
    squares = (found.mean - wanted.mean).square() + (found.std - wanted.std).square()
    size = (wanted.mean.square() + wanted.std.square()).mean(dim=1) + _FLAT_STYLE
    return (squares.mean(dim=1) / size).mean()


def _together(statistics: list[Statistics]) -> Statistics:
    return Statistics(torch.cat([each.mean for each in statistics]), torch.cat([each.std for each in statistics]))
