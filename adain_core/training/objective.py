"""The loss of one batch: eq. 11 of the paper, and the regularizers beside it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..devices import parse_precision
from ..method.adain import adain
from ..method.fast_statistics import training_statistics
from ..method.features import TAPS, deepest
from ..method.losses import (
    content_loss,
    gram_matrix,
    gram_style_terms,
    style_terms,
    stylized_content_loss,
    weighted_sum,
)
from ..method.normalization import Statistics
from ..models.decoder import Decoder
from ..models.vgg import VGGEncoder
from .config import TrainingConfig
from .data.samples import Batch
from .regularizers import anchor_loss, color_loss, grid_loss, range_loss, reconstruction_loss


@dataclass(frozen=True)
class _StyleTargets:
    """What the style loss and AdaIN need of style images.

    Attributes:
        layers: at each tap the statistics (eq. 13) or the Gram matrices, of all images.
        statistics: of what AdaIN is given.
        shallow: at relu1_1, relu2_1 and relu3_1.
    """

    layers: list[Any]
    statistics: Statistics
    shallow: list[Statistics]


class Objective:
    """Computes the losses of a batch.

    Args:
        encoder: frozen, on the device.
        config: which losses, with what weights.
        anchor: frozen decoder for the anchor loss, on the device; None: none.
    """

    def __init__(self, encoder: VGGEncoder, config: TrainingConfig, anchor: Decoder | None = None) -> None:
        self.config = config
        self.anchor = anchor
        self.dtype = parse_precision(config.precision, next(encoder.parameters()).device)
        # In the precision it computes in: autocast would convert frozen weights anew at every call.
        self.encoder = encoder if self.dtype == torch.float32 else copy.deepcopy(encoder).to(self.dtype)
        # Without them the encoder need not see the output, which saves half of a step.
        identity = config.identity_share * config.feature_weight
        self.needs_features = config.content_weight + config.style_weight + identity > 0
        self._known: tuple[object, _StyleTargets | None] | None = None

    def __call__(self, decoder: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """One pass forward.

        Args:
            decoder: the decoder in training (or DistributedDataParallel around it).
            batch: images on the device, ``identity`` on the CPU.

        Returns:
            The loss to descend, and its parts by name, unweighted and detached, each a scalar.
        """
        config = self.config
        device = batch.content.device
        identity, others = (
            chosen.nonzero()[:, 0].to(device, non_blocking=True) for chosen in (batch.identity, ~batch.identity)
        )
        autocast = torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32)
        with torch.no_grad():
            content = batch.content.to(self.dtype)
            taps = self.encoder.taps(content)
            given = self.encoder.features(content, taps)
            style = self._style_targets(batch, content, taps, identity, others)
            # The target is not rounded to the precision of the convolutions.
            target = adain(given.float(), style.statistics)
            with autocast:
                anchor = self.anchor(target) if self.anchor is not None else None
        with autocast:
            output = decoder(target)
        features = self.encoder.taps(output.to(self.dtype)) if self.needs_features else []
        output = output.float()
        terms: dict[str, tuple[float, Tensor]] = {}
        if features:
            shallow = zip(config.content_layers, features[:-1], taps, style.shallow, strict=False)
            near = [(w, stylized_content_loss(x, c, s)) for w, x, c, s in shallow if w > 0]
            near.append((config.content_layers[-1], content_loss(features[-1], deepest(target))))
            content_term = weighted_sum([term for _, term in near], [w for w, _ in near])
            terms["content"] = (config.content_weight, content_term)
            layers = (gram_style_terms if config.style_loss == "gram" else style_terms)(features, style.layers)
            terms["style"] = (config.style_weight, weighted_sum(layers, config.style_layers))
            terms |= {f"style {tap}": (0.0, term) for tap, term in zip(TAPS, layers, strict=True)}
        if config.identity_share > 0:
            pixels = reconstruction_loss(output, batch.content, identity)
            terms["reconstruction"] = (config.reconstruction_weight, pixels)
            if features and config.feature_weight > 0:
                # Without such samples both are 0, but a gradient of zeros through all features would cost its time.
                pairs = zip(features[:-1], taps[:-1], strict=True) if len(identity) else ()
                errors = [reconstruction_loss(found, wanted, identity) for found, wanted in pairs]
                terms["features"] = (config.feature_weight, weighted_sum(errors) if errors else pixels)
        if config.range_weight > 0:
            terms["range"] = (config.range_weight, range_loss(output))
        if config.color_weight > 0:
            terms["color"] = (config.color_weight, color_loss(output, batch.style))
        if config.grid_weight > 0:
            terms["grid"] = (config.grid_weight, grid_loss(output))
        if anchor is not None:
            terms["anchor"] = (config.anchor_weight, anchor_loss(output, anchor, others))
        used = [(weight, term) for weight, term in terms.values() if weight > 0]
        total = weighted_sum([term for _, term in used], [weight for weight, _ in used])
        return total, {"total": total.detach()} | {name: term.detach() for name, (_, term) in terms.items()}

    def _style_targets(
        self, batch: Batch, content: Tensor, content_taps: list[Tensor], identity: Tensor, others: Tensor
    ) -> _StyleTargets:
        """Encodes the batch's style images, as few of them as possible.

        Those of identity samples are the content images, which are encoded already. Those of the other samples are
        kept for the next batch, which may have the same (`TrainingConfig.style_reuse`).
        """
        if self._known is None or self._known[0] != batch.styles:
            self._known = None  # frees the memory before it is needed
            images = batch.style[others].to(self.dtype)
            fresh = self._describe(images, self.encoder.taps(images)) if len(others) else None
            self._known = (batch.styles, fresh)
        known = self._known[1]
        if known is not None and not len(identity):
            return known
        same = self._describe(content[identity], [tap[identity] for tap in content_taps])
        return same if known is None else _joined(known, same, torch.cat([others, identity]).argsort())

    def _describe(self, images: Tensor, taps: list[Tensor]) -> _StyleTargets:
        given = training_statistics(self.encoder.features(images, taps))
        *shallow, last = [training_statistics(tap) for tap in taps]
        layers = [gram_matrix(tap) for tap in taps] if self.config.style_loss == "gram" else [*shallow, last]
        return _StyleTargets(layers, given, shallow)


def _joined(first: _StyleTargets, second: _StyleTargets, order: Tensor) -> _StyleTargets:
    """The targets of two parts of a batch as those of the whole, its samples in that order."""

    def join(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b])[order]

    def join_statistics(a: Statistics, b: Statistics) -> Statistics:
        return Statistics(join(a.mean, b.mean), join(a.std, b.std))

    return _StyleTargets(
        [
            join_statistics(a, b) if isinstance(a, Statistics) else join(a, b)
            for a, b in zip(first.layers, second.layers, strict=True)
        ],
        join_statistics(first.statistics, second.statistics),
        [join_statistics(a, b) for a, b in zip(first.shallow, second.shallow, strict=True)],
    )
