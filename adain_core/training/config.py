"""The configuration of a training: every number that decides what comes out, as one object that JSON can hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

import torch

from ..devices import PRECISIONS, cpu_capabilities
from ..errors import AdaINError
from ..method.features import TAPS
from ..models.decoder import CONDITIONINGS, NORMALIZATIONS
from .optimization.schedule import SCHEDULES, check_crop_sizes

STYLE_LOSSES = ("mean-std", "gram")
OPTIMIZERS = ("adam", "muon")
# May differ when a run is resumed: how long it goes on and what it writes. With another number of steps only the cosine
# schedule goes on differently.
MAY_CHANGE = ("steps", "save_every", "preview_every", "keep")


@dataclass(frozen=True)
class TrainingConfig:
    """Defaults are the paper's (section 6.2) and, where it is silent, its authors' code's; but for ``style_reuse``.

    Attributes:
        steps: optimizer steps.
        batch_size: content-style pairs per step, over all processes together.
        crop_sizes: ``(first step, pixels)`` of each part of the training.
        resize: images are scaled to a short side between these two (evenly in its logarithm), never enlarged beyond
            what the crop needs, then cropped at random.
        augment_styles: stretch a small style collection: a quarter of the style crops come from the content folder, a
            third get their colour channels shuffled, a tenth are inverted.
        style_reuse: how many batches in a row have the same style crops, each with other contents: their statistics
            are computed once, which saves up to a seventh of the time.
        content_weight, style_weight: of eq. 11.
        style_layers: weights of relu1_1, relu2_1, relu3_1 and relu4_1 inside the style loss.
        style_loss: ``mean-std`` (eq. 13) or ``gram``.
        identity_share: share of the samples whose style is the content itself, which must come back unchanged.
        reconstruction_weight: of the pixel error of those samples.
        feature_weight: of their error at relu1_1, relu2_1 and relu3_1.
        range_weight: of values outside 0..1.
        color_weight: of the mean and standard deviation of R, G and B against the style image's.
        anchor_weight: of the distance of 8x8 pixel means from an anchor decoder's.
        optimizer: ``adam``, or ``muon`` (Adam for biases and the last layer).
        learning_rate, schedule, warmup, decay, final: see `schedule.learning_rate`.
        clip: largest norm of the gradient; 0: no limit.
        normalization: ``none``, or the paper's ablations ``instance`` and ``batch`` (section 7.1).
        conditioning: ``adain``, or the ablation ``concatenation`` (section 7.1).
        precision: ``float32``, ``bfloat16``, ``float16`` (CUDA only); ``auto``: float16 on CUDA, bfloat16 on CPUs that
            compute in it, else float32. Weights, statistics and losses are float32 always.
        seed: of initial weights, data order and crops.
        save_every, preview_every: steps; 0: only at the end.
        keep: how many checkpoints to keep.
    """

    steps: int = 160_000
    batch_size: int = 8
    crop_sizes: tuple[tuple[int, int], ...] = ((0, 256),)
    resize: tuple[int, int] = (512, 512)
    augment_styles: bool = False
    style_reuse: int = 4
    content_weight: float = 1.0
    style_weight: float = 10.0
    style_layers: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    style_loss: str = "mean-std"
    identity_share: float = 0.0
    reconstruction_weight: float = 0.0
    feature_weight: float = 0.0
    range_weight: float = 0.0
    color_weight: float = 0.0
    anchor_weight: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 1e-4
    schedule: str = "decay"
    warmup: int = 0
    decay: float = 5e-5
    final: float = 0.0
    clip: float = 0.0
    normalization: str = "none"
    conditioning: str = "adain"
    precision: str = "auto"
    seed: int = 0
    save_every: int = 1000
    preview_every: int = 500
    keep: int = 3

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch_size", 1), ("keep", 1), ("style_reuse", 1)):
            self._expect(name, getattr(self, name) >= least, f"a whole number of at least {least}")
        self._expect("seed", 0 <= self.seed < 2**64, "a whole number from 0 to 2**64 - 1")
        for name in ("warmup", "save_every", "preview_every"):
            self._expect(name, getattr(self, name) >= 0, "a whole number of at least 0")
        self._expect("learning_rate", 0 < self.learning_rate < math.inf, "a number above 0")
        self._expect("identity_share", 0 <= self.identity_share <= 1, "a share from 0 to 1")
        for name in (
            f.name for f in fields(self) if f.name.endswith("_weight") or f.name in ("decay", "final", "clip")
        ):
            self._expect(name, 0 <= getattr(self, name) < math.inf, "a number of at least 0")
        layers = self.style_layers
        self._expect("style_layers", len(layers) == len(TAPS) and min(layers) >= 0, "four numbers of at least 0")
        self._expect("resize", 16 <= self.resize[0] <= self.resize[1], "two rising numbers of pixels from 16 up")
        check_crop_sizes(self.crop_sizes)
        for name, known in (
            ("style_loss", STYLE_LOSSES),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("normalization", NORMALIZATIONS),
            ("conditioning", CONDITIONINGS),
            ("precision", PRECISIONS),
        ):
            self._expect(name, getattr(self, name) in known, f"one of {', '.join(known)}")
        terms = (self.content_weight, self.style_weight, self.color_weight, self.anchor_weight)
        identity = self.identity_share * (self.reconstruction_weight + self.feature_weight)
        self._expect("content_weight", any(terms) or identity > 0, "a loss with a weight above 0")

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
        """Reads `to_json`'s text; AdaINError when it is none."""
        try:
            values = json.loads(text)
            values["crop_sizes"] = tuple(tuple(entry) for entry in values["crop_sizes"])
            for name in ("resize", "style_layers"):
                values[name] = tuple(values[name])
            return cls(**values)
        except (ValueError, TypeError, KeyError) as error:
            raise AdaINError(f"expected a training configuration, found one that cannot be read ({error})") from None

    def check_resumable(self, saved: TrainingConfig) -> None:
        """Raises AdaINError naming what differs from the configuration a run was started with."""
        ours, theirs = asdict(self), asdict(saved)
        differing = [name for name in ours if name not in MAY_CHANGE and ours[name] != theirs[name]]
        if differing:
            raise AdaINError(
                "resume: expected the configuration the run was started with "
                f"({_listed(theirs, differing)}), found {_listed(ours, differing)}"
            )


def with_regularizers(config: TrainingConfig, strength: float) -> TrainingConfig:
    """The configuration with guards that hold colours and photographs while a decoder is far from done.

    The paper's losses alone let a decoder buy style statistics with wrong colours for the first thousands of steps.

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
