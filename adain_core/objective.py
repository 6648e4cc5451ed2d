"""The loss of one batch: eq. 11 of the paper, and the guards beside it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .adain import adain
from .dataset import Batch
from .decoder import Decoder
from .losses import (
    anchor_loss,
    color_loss,
    content_loss,
    gram_matrix,
    gram_style_terms,
    range_loss,
    reconstruction_loss,
    style_terms,
    weighted_sum,
)
from .normalization import channel_statistics
from .training_config import TrainingConfig
from .training_statistics import training_statistics
from .vgg import TAPS, VGGEncoder

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def decoder_input(content: Tensor, style: Tensor, conditioning: str) -> tuple[Tensor, Tensor]:
    """What the decoder is given and what its output's features are to be.

    Args:
        content, style: relu4_1 features ``[B, 512, h, w]``; for ``concatenation`` of the same size.
        conditioning: ``adain`` or ``concatenation``.

    Returns:
        The decoder's input, ``[B, 512 or 1024, h, w]``, and the target ``t = AdaIN(content, style)``.
    """
    target = adain(content, channel_statistics(style))
    return (torch.cat([content, style], dim=1) if conditioning == "concatenation" else target), target


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
        self.dtype = _DTYPES[config.precision]
        # In the precision it computes in: autocast would convert frozen weights anew at every call.
        self.encoder = encoder if self.dtype == torch.float32 else copy.deepcopy(encoder).to(self.dtype)
        # Without them the encoder need not see the output, which saves half of a step.
        identity = config.identity_share * config.feature_weight
        self.needs_features = config.content_weight + config.style_weight + identity > 0

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
        autocast = torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32)
        with torch.no_grad(), autocast:
            content = self.encoder(batch.content.to(self.dtype))
            style = self.encoder.taps(batch.style.to(self.dtype))
            # The target is not rounded to the precision of the convolutions.
            given, target = decoder_input(content.float(), style[-1].float(), config.conditioning)
            anchor = self.anchor(target) if self.anchor is not None else None
        with autocast:
            output = decoder(given)
            features = self.encoder.taps(output.to(self.dtype)) if self.needs_features else []
        output = output.float()
        identity = batch.identity.nonzero()[:, 0].to(device, non_blocking=True)
        others = (~batch.identity).nonzero()[:, 0].to(device, non_blocking=True)
        terms: dict[str, tuple[float, Tensor]] = {}
        if features:
            terms["content"] = (config.content_weight, content_loss(features[-1], target))
            layers = self._style_terms(features, style)
            terms["style"] = (config.style_weight, weighted_sum(layers, config.style_layers))
            terms |= {f"style {tap}": (0.0, term) for tap, term in zip(TAPS, layers, strict=True)}
        if config.identity_share > 0:
            pixels = reconstruction_loss(output, batch.content, identity)
            terms["reconstruction"] = (config.reconstruction_weight, pixels)
            if features and config.feature_weight > 0:
                # An identity sample's style is its content: the style's features are what the output's should be.
                errors = [reconstruction_loss(f, s, identity) for f, s in zip(features[:3], style, strict=False)]
                terms["features"] = (config.feature_weight, weighted_sum(errors))
        if config.range_weight > 0:
            terms["range"] = (config.range_weight, range_loss(output))
        if config.color_weight > 0:
            terms["color"] = (config.color_weight, color_loss(output, batch.style))
        if anchor is not None:
            terms["anchor"] = (config.anchor_weight, anchor_loss(output, anchor, others))
        used = [(weight, term) for weight, term in terms.values() if weight > 0]
        total = weighted_sum([term for _, term in used], [weight for weight, _ in used])
        return total, {"total": total.detach()} | {name: term.detach() for name, (_, term) in terms.items()}

    def _style_terms(self, features: list[Tensor], style: list[Tensor]) -> list[Tensor]:
        with torch.no_grad():
            if self.config.style_loss == "gram":
                targets = [gram_matrix(tap) for tap in style]
            else:
                targets = [training_statistics(tap) for tap in style]
        return (gram_style_terms if self.config.style_loss == "gram" else style_terms)(features, targets)
