"""The configuration of a training: every number that decides what comes out, and the values each may have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch

from ..devices import PRECISIONS, cpu_capabilities
from ..errors import AdaINError, check_known
from ..method.features import TAPS
from ..models.decoder import NORMALIZATIONS
from .optimization.schedule import SCHEDULES, SMALLEST_CROP, check_crop_sizes
from .ranges import AT_LEAST_0, AT_LEAST_1, DECAY, POSITIVE, SEED, SHARE, WEIGHT, Range

STYLE_LOSSES = ("mean-std", "gram")
OPTIMIZERS = ("adam", "muon")
_PAPERS_CONTENT = (0.0, 0.0, 0.0, 1.0)
# These may differ when a run is resumed: how long it goes on and what it writes. Another number of steps changes the
# learning rate of the cosine schedule only.
MAY_CHANGE = ("steps", "save_every", "preview_every", "keep")


class UnsupportedTraining(AdaINError):
    """A configuration of a kind of training that there is no longer."""


def _within(allowed: Range, default: float) -> Any:
    return field(default=default, metadata={"range": allowed})


def _one_of(known: tuple[str, ...], default: str) -> Any:
    return field(default=default, metadata={"choices": known})


@dataclass(frozen=True)
class TrainingConfig:
    """Defaults are the paper's (section 6.2); where it is silent, those of its authors' code; except ``style_reuse``.

    Attributes:
        light: train the light pair, both networks, with the encoder as the judge (`light_pair.LightObjective`), rather
            than a decoder for the encoder. Without the losses of features, anchor and Gram matrices.
        steps: optimizer steps.
        batch_size: content-style pairs per step, over all processes together.
        crop_sizes: ``(first step, pixels)`` of each part of the training.
        resize: images are scaled to a short side between these two (evenly in its logarithm), never enlarged beyond
            what the crop needs, then cropped at random.
        augment_styles: for small style collections: a quarter of the style crops come from the content folder, a
            third get their colour channels shuffled, a tenth are inverted.
        redrawn_share: share of the style crops that are redrawn in grey, in ink, hatched or as a mosaic (`redrawing`).
        style_reuse: how many batches in a row have the same style crops, each with other contents: their statistics
            are computed once, which saves up to a seventh of the time. Of the light pair: how many times each crop, of
            content and of style, comes before others do (`pools.PooledPairs`).
        content_weight, style_weight: of eq. 11.
        content_layers: weights of relu1_1, relu2_1, relu3_1 and relu4_1 inside the content loss. At the first three
            the output shall have AdaIN of the content's features, measured in the style's deviations, as in refining
            (`losses.stylized_content_loss`). The paper has the last alone.
        style_layers: weights of relu1_1, relu2_1, relu3_1 and relu4_1 inside the style loss.
        style_loss: ``mean-std`` (eq. 13) or ``gram``.
        identity_share: share of the samples whose style is the content itself, which must come back unchanged.
        reconstruction_weight: of the pixel error of those samples.
        feature_weight: of their error at relu1_1, relu2_1 and relu3_1.
        range_weight: of values outside 0..1.
        color_weight: of the mean and standard deviation of R, G and B against the style image's.
        grid_weight: of what repeats with a period of 8 pixels.
        anchor_weight: of the distance of 8x8 pixel means from an anchor decoder's.
        optimizer: ``adam``, or ``muon`` (Adam for biases and the last layer).
        learning_rate, schedule, warmup, decay, final: see `schedule.learning_rate`.
        clip: largest norm of the gradient; 0: no limit.
        average: decay of a running mean of the weights (`averaging.average_weights`), which is what is measured,
            shown and saved; 0: the weights themselves.
        normalization: ``none``, or the paper's ablations ``instance`` and ``batch`` (section 7.1).
        precision: ``float32``, ``bfloat16``, ``float16`` (CUDA only); ``auto``: float16 on CUDA, bfloat16 on CPUs that
            compute in it, else float32. Weights, statistics and losses are float32 always.
        seed: of initial weights, data order and crops.
        save_every, preview_every: steps; 0: only at the end.
        keep: how many checkpoints to keep.

    Raises:
        AdaINError: a value outside its range (`RANGES`), not among the known ones (`CHOICES`), or no loss at all.
    """

    light: bool = False
    steps: int = _within(AT_LEAST_1, 160_000)
    batch_size: int = _within(AT_LEAST_1, 8)
    crop_sizes: tuple[tuple[int, int], ...] = ((0, 256),)
    resize: tuple[int, int] = (512, 512)
    augment_styles: bool = False
    redrawn_share: float = _within(SHARE, 0.0)
    style_reuse: int = _within(AT_LEAST_1, 4)
    content_weight: float = _within(WEIGHT, 1.0)
    style_weight: float = _within(WEIGHT, 10.0)
    content_layers: tuple[float, float, float, float] = _PAPERS_CONTENT
    style_layers: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    style_loss: str = _one_of(STYLE_LOSSES, "mean-std")
    identity_share: float = _within(SHARE, 0.0)
    reconstruction_weight: float = _within(WEIGHT, 0.0)
    feature_weight: float = _within(WEIGHT, 0.0)
    range_weight: float = _within(WEIGHT, 0.0)
    color_weight: float = _within(WEIGHT, 0.0)
    grid_weight: float = _within(WEIGHT, 0.0)
    anchor_weight: float = _within(WEIGHT, 0.0)
    optimizer: str = _one_of(OPTIMIZERS, "adam")
    learning_rate: float = _within(POSITIVE, 1e-4)
    schedule: str = _one_of(SCHEDULES, "decay")
    warmup: int = _within(AT_LEAST_0, 0)
    decay: float = _within(WEIGHT, 5e-5)
    final: float = _within(WEIGHT, 0.0)
    clip: float = _within(WEIGHT, 0.0)
    average: float = _within(DECAY, 0.0)
    normalization: str = _one_of(NORMALIZATIONS, "none")
    precision: str = _one_of(PRECISIONS, "auto")
    seed: int = _within(SEED, 0)
    save_every: int = _within(AT_LEAST_0, 1000)
    preview_every: int = _within(AT_LEAST_0, 500)
    keep: int = _within(AT_LEAST_1, 3)

    def __post_init__(self) -> None:
        for name, allowed in RANGES.items():
            self._expect(name, getattr(self, name) in allowed, str(allowed))
        for name, known in CHOICES.items():
            check_known(name, getattr(self, name), known)
        for name in ("content_layers", "style_layers"):
            layers = getattr(self, name)
            fits = len(layers) == len(TAPS) and all(w in WEIGHT for w in layers)
            self._expect(name, fits, "four numbers of at least 0")
        self._expect(
            "resize",
            SMALLEST_CROP <= self.resize[0] <= self.resize[1],
            f"two rising numbers of pixels from {SMALLEST_CROP} up",
        )
        check_crop_sizes(self.crop_sizes)
        layered = self.content_weight * max(self.content_layers), self.style_weight * max(self.style_layers)
        identity = self.identity_share * (self.reconstruction_weight + self.feature_weight)
        if not any((*layered, self.color_weight, self.anchor_weight, identity)):
            raise AdaINError("losses: expected one with a weight above 0, of its layers too, found none")
        if self.light:
            self._expect("content_layers", self.content_layers == _PAPERS_CONTENT, "0 0 0 1 with the light pair")
            for name in ("feature_weight", "anchor_weight"):
                self._expect(name, getattr(self, name) == 0, "0 with the light pair")
            self._expect("style_loss", self.style_loss == STYLE_LOSSES[0], f"{STYLE_LOSSES[0]} with the light pair")
            self._expect("normalization", self.normalization == "none", "none with the light pair")

    def _expect(self, name: str, holds: bool, what: str) -> None:
        if not holds:
            raise AdaINError(f"{name}: expected {what}, found {getattr(self, name)!r}")

    @property
    def largest_crop(self) -> int:
        return max(size for _, size in self.crop_sizes)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> TrainingConfig:
        """Reads `to_json`'s text, of version 1.0.0 as well.

        Raises:
            UnsupportedTraining: of an ablation that version 1.0.0 could train.
            AdaINError: another text.
        """
        try:
            values = json.loads(text)
            conditioning = values.pop("conditioning", "adain")
            values["crop_sizes"] = tuple(tuple(entry) for entry in values["crop_sizes"])
            for name in ("resize", "content_layers", "style_layers"):
                if name in values:
                    values[name] = tuple(values[name])
            config = cls(**values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AdaINError(f"expected a training configuration, found one that cannot be read ({error})") from None
        if conditioning != "adain":
            raise UnsupportedTraining(
                f"conditioning: expected adain, found {conditioning!r}, with which only benchmarks/ablations.py trains"
            )
        return config

    def check_resumable(self, saved: TrainingConfig) -> None:
        """Raises AdaINError naming what differs from the configuration a run was started with."""
        ours, theirs = asdict(self), asdict(saved)
        differing = [name for name in ours if name not in MAY_CHANGE and ours[name] != theirs[name]]
        if differing:
            raise AdaINError(
                "resume: expected the configuration the run was started with "
                f"({_listed(theirs, differing)}), found {_listed(ours, differing)}"
            )


RANGES: dict[str, Range] = {f.name: f.metadata["range"] for f in fields(TrainingConfig) if "range" in f.metadata}
CHOICES: dict[str, tuple[str, ...]] = {
    f.name: f.metadata["choices"] for f in fields(TrainingConfig) if "choices" in f.metadata
}


def with_regularizers(config: TrainingConfig, strength: float) -> TrainingConfig:
    """The configuration with regularizers for short trainings.

    With the paper's losses alone, colours are wrong and photographs come back changed for the first thousands of steps.

    Args:
        config: to add to.
        strength: 0: the paper's losses alone; 1: weights found by trial for short trainings.
    """
    if strength == 0:
        return config
    return replace(
        config,
        identity_share=0.25,
        reconstruction_weight=240.0 * strength,
        range_weight=100.0 * strength,
        color_weight=30.0 * strength,
    )


def _listed(values: Mapping[str, object], names: list[str]) -> str:
    return ", ".join(f"{name} {values[name]}" for name in names)


def training_precision(precision: str, device: torch.device) -> str:
    """What ``auto`` means in training on a device: float16 on CUDA, bfloat16 on CPUs that compute in it, else float32.

    Raises:
        AdaINError: float16 elsewhere than on CUDA.
    """
    if precision == "float16" and device.type != "cuda":
        raise AdaINError(f"precision: expected float32 or bfloat16 on {device.type}, found float16")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "float16"
    known = cpu_capabilities()
    return "bfloat16" if device.type == "cpu" and (known.get("avx512_bf16") or known.get("amx_bf16")) else "float32"
