"""Features as they travel from encoder to AdaIN to decoder, and how they lie over the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from .normalization import Statistics
from .running_statistics import RunningStatistics
from .style import ShallowStatistics, Style

TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")  # the layers of the style loss; the last one is the features
TAP_CHANNELS = (64, 128, 256, 512)
FEATURE_CHANNELS = TAP_CHANNELS[-1]  # of relu4_1; other encoders have their own
STRIDE = 8  # pixels of the image per position of the feature grid, both ways: three poolings by 2


class _Features(NamedTuple):
    tensor: Tensor
    size: tuple[int, int]
    encoder_id: str
    mask: Tensor | None = None
    shallow: Callable[[Tensor | None], Sequence[Statistics]] | None = None
    measured: Features | None = None
    image: Tensor | None = None
    stylized: bool = False


class Features(_Features):
    """Features of an image, such as relu4_1 of VGG, with what the later steps need to know about it.

    A tuple, so that whoever keeps them can find the tensors: ComfyUI's cache weighs what it drops when memory is short.

    Attributes:
        tensor: ``[B, C, ceil(H/8), ceil(W/8)]``; C is the encoder's: 512 of VGG, 1088 of the fine one.
        size: height and width of the image; the decoded image is cropped to it.
        encoder_id: fingerprint of the encoder.
        mask: weights over space ``[B or 1, h, w]`` for the statistics; None: every position counts the same.
        shallow: takes the encoded image's statistics at relu1_1, relu2_1 and relu3_1, which only refining needs: inside
            a mask ``[B or 1, h, w]`` over the image; None: inside the one it was encoded with. None: unknown.
        measured: the same image's features at another size, which say its style and what as a content it is
            normalized by, see `content_statistics`; None: these do.
        image: what was encoded, ``[B, 3, H, W]`` RGB 0..1, which only refining needs; None: unknown.
        stylized: whether AdaIN has changed the tensor; image and shallow are still those of what was encoded.
    """

    @cached_property
    def statistics(self) -> Statistics:
        """Channel mean and standard deviation of the tensor, ``[B, C]`` each, computed once."""
        return RunningStatistics().add(self.tensor, self.mask).statistics()

    def unmasked(self) -> Features:
        """The same features with statistics of everything, at both sizes."""
        return self._replace(mask=None, measured=None if self.measured is None else self.measured.unmasked())

    @property
    def style(self) -> Style:
        """These features as a style: their statistics, or those at the size they are measured at."""
        if self.measured is not None:
            return self.measured.style
        take = None if self.stylized else self.shallow
        shallow = None if take is None else ShallowStatistics(lambda: take(None))
        return Style(self.statistics, self.encoder_id, shallow=shallow)


def deepest(features: Tensor) -> Tensor:
    """Of features ``[B, C, ...]``, or their statistics, the channels of relu4_1, where others are behind them."""
    return features[:, :FEATURE_CHANNELS]


def feature_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the features of an image: ``ceil(H/8), ceil(W/8)``.

    >>> feature_size(64, 65)
    (8, 9)
    """
    return -(-height // STRIDE), -(-width // STRIDE)
