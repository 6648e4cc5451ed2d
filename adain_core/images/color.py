"""Colour transfer between images: to keep the content's colours, or to match a reference's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import AdaINError, check_batch, check_known
from ..method.float64 import widened
from .histograms import match_histogram

METHODS = ("mean-covariance", "luminance", "histogram")
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_FLAT = 1e-5  # variance below which a colour direction holds nothing but rounding


def match_color(
    image: Tensor,
    reference: Tensor,
    method: str = "mean-covariance",
    weights: Tensor | None = None,
    reference_weights: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """Gives an image the colours of a reference.

    Args:
        image: ``[B, 3, H, W]`` RGB 0..1, of any floating type.
        reference: ``[B or 1, 3, h, w]``; for ``luminance`` it is stretched to the image's size.
        method: ``mean-covariance``: an affine map of RGB after which mean and covariance equal the reference's. Its
            matrix is ``L_r L_i^-1`` of the covariances' symmetric square roots (Gatys et al., "Controlling Perceptual
            Factors in Neural Style Transfer", arXiv:1611.07865, section 5.1). ``luminance``: the image's luminance
            with the reference's chrominance, pixel by pixel (the same paper, section 5.2). ``histogram``: after
            ``mean-covariance`` the histogram along each of the image's principal axes of colour, in which its
            coordinates are uncorrelated, becomes the reference's there.
        weights: how much the image's pixels count in mean, covariance and histogram, ``[B, H, W]`` or ``[H, W]``, some
            above 0; None: all the same.
        reference_weights: the same for the reference.
        strength: 0 gives the image back, 1 the colours in full; in between both are blended.

    Returns:
        ``[B, 3, H, W]``, clamped to 0..1, of the image's type and on its device. A flat image gets the reference's
        mean colour; a grey one gets colours along one line, as far as its brightness goes.

    Raises:
        AdaINError: the method is unknown, the strength is outside 0..1, or the batches do not fit.
    """
    check_known("method", method, METHODS)
    check_strength(strength)
    check_batch("reference", reference.shape[0], image.shape[0], "the image")
    wide, target = image.float(), reference.float()
    if method == "luminance":
        result = _luminance(wide, target)
    else:
        result = _distribution(wide, target, weights, reference_weights, histograms=method == "histogram")
    return torch.lerp(wide, result.clamp(0, 1).to(wide), strength).to(image)


def check_strength(strength: float) -> None:
    """Raises AdaINError unless the strength of a colour transfer is within 0..1."""
    if not 0 <= strength <= 1:
        raise AdaINError(f"strength: expected a number of 0 to 1, found {strength}")


@dataclass(frozen=True)
class ColorMatch:
    """How a stylized image keeps the content's colours.

    Attributes:
        method: of `match_color`.
        strength: 0..1, of `match_color`.
        after: match the result, in place of the style image before stylizing.

    Raises:
        AdaINError: a value that `match_color` does not take, or ``luminance``, which is pixel by pixel, before.
    """

    method: str = METHODS[0]
    strength: float = 1.0
    after: bool = False

    def __post_init__(self) -> None:
        check_known("color method", self.method, METHODS)
        check_strength(self.strength)
        if self.method == "luminance" and not self.after:
            raise AdaINError(
                "color method: luminance is matched pixel by pixel, so expected it after stylizing (--color-after), "
                "found it before; or take another method"
            )

    def __call__(
        self,
        image: Tensor,
        reference: Tensor,
        weights: Tensor | None = None,
        reference_weights: Tensor | None = None,
    ) -> Tensor:
        """As `match_color`."""
        return match_color(image, reference, self.method, weights, reference_weights, self.strength)


def _distribution(
    image: Tensor, reference: Tensor, weights: Tensor | None, reference_weights: Tensor | None, histograms: bool
) -> Tensor:
    """The image with the reference's mean and covariance, and perhaps its histograms along the principal axes."""
    mean, covariance = _color_statistics(image, weights)
    target_mean, target_covariance = _color_statistics(reference, reference_weights)
    root, _ = _roots(target_covariance)
    _, inverse_root = _roots(covariance)
    transform = root @ inverse_root
    moved = transform @ (widened(image).flatten(2) - mean)
    if histograms:
        # Of what moved and not of the reference: the axes along which a grey image has nothing stay empty.
        _, axes = torch.linalg.eigh(transform @ covariance @ transform.transpose(1, 2))
        target = widened(reference).flatten(2) - target_mean
        moved = _along_axes(axes, moved, target, _rows(weights), _rows(reference_weights))
    return (moved + target_mean).reshape(image.shape).float()


def _along_axes(
    axes: Tensor, values: Tensor, target: Tensor, weights: Tensor | None, target_weights: Tensor | None
) -> Tensor:
    """`match_histogram` along each axis: columns of ``[B, 3, 3]``, of ``[B, 3, N]`` to ``[B or 1, 3, M]``."""
    coordinates, wanted = axes.transpose(1, 2) @ values, axes.transpose(1, 2) @ target
    for k, sample in enumerate(coordinates):
        own, others = (None if w is None else w[k if len(w) > 1 else 0] for w in (weights, target_weights))
        for axis in range(3):
            sample[axis] = match_histogram(sample[axis], wanted[k, axis], own, others)
    return axes @ coordinates


def _rows(weights: Tensor | None) -> Tensor | None:
    """``[B, H, W]`` or ``[H, W]`` as ``[B or 1, H * W]``."""
    return None if weights is None else weights.reshape(-1, weights.shape[-2] * weights.shape[-1])


def _color_statistics(image: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean ``[B, 3, 1]`` and covariance ``[B, 3, 3]`` of RGB, in float64."""
    values = widened(image).flatten(2)
    if weights is None:
        mean = values.mean(dim=2, keepdim=True)
        centred = values - mean
        return mean, centred @ centred.transpose(1, 2) / values.shape[2]
    share = weights.to(values).reshape(-1, 1, values.shape[2])
    share = share / share.sum(dim=2, keepdim=True)
    mean = (values * share).sum(dim=2, keepdim=True)
    centred = values - mean
    return mean, (centred * share) @ centred.transpose(1, 2)


def _roots(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric square root and its pseudo-inverse, which maps directions without variance to 0 and not to infinity."""
    eigenvalues, vectors = torch.linalg.eigh(covariance)
    eigenvalues = eigenvalues.clamp(min=0)
    root = eigenvalues.sqrt()
    inverse = torch.where(eigenvalues > _FLAT, 1 / root.clamp(min=_FLAT), torch.zeros_like(root))
    back = vectors.transpose(1, 2)
    return vectors @ (root[..., None] * back), vectors @ (inverse[..., None] * back)


def _luminance(image: Tensor, reference: Tensor) -> Tensor:
    image, reference = image.float(), reference.float()
    if image.shape[2:] != reference.shape[2:]:
        reference = F.interpolate(reference, image.shape[2:], mode="bilinear", antialias=True).clamp(0, 1)
    # Adding the same amount to R, G and B changes the luminance only: chrominance is in their differences.
    weights = torch.tensor(_LUMA).to(image)[:, None, None]
    luminance = (image * weights).sum(dim=1, keepdim=True) - (reference * weights).sum(dim=1, keepdim=True)
    return reference + luminance
