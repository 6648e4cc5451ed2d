"""Features as they travel from encoder to AdaIN to decoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from .normalization import Statistics
from .running_statistics import RunningStatistics
from .style import Style


@dataclass(frozen=True)
class Features:
    """relu4_1 features and what must not be lost on their way.

    Attributes:
        tensor: ``[B, 512, ceil(H/8), ceil(W/8)]``.
        size: height and width of the image, so that the decoded one has exactly that size.
        encoder_id: fingerprint of the encoder.
        mask: weights over space ``[B or 1, h, w]`` that the statistics are taken with; None: everywhere alike.
    """

    tensor: Tensor
    size: tuple[int, int]
    encoder_id: str
    mask: Tensor | None = None

    @cached_property
    def statistics(self) -> Statistics:
        """Channel mean and standard deviation, ``[B, 512]`` each, computed once."""
        return RunningStatistics().add(self.tensor, self.mask).statistics()

    @property
    def style(self) -> Style:
        """These features seen as a style."""
        return Style(self.statistics, self.encoder)


TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")


FEATURE_CHANNELS = 512


STRIDE = 8  # pixels of the image per place of the features


def feature_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the relu4_1 features of an image: ``ceil(H/8), ceil(W/8)``."""
    return -(-height // STRIDE), -(-width // STRIDE)
