"""Colour transfer between images: to keep the content's colours, or to match a reference's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import check_batch, check_known
from ..method.float64 import widened

METHODS = ("mean-covariance", "luminance")
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_FLAT = 1e-5  # variance below which a colour direction holds nothing but rounding


def match_color(
    image: Tensor,
    reference: Tensor,
    method: str = "mean-covariance",
    weights: Tensor | None = None,
    reference_weights: Tensor | None = None,
) -> Tensor:
    """Gives an image the colours of a reference.

    Args:
        image: ``[B, 3, H, W]`` RGB 0..1, of any floating type.
        reference: ``[B or 1, 3, h, w]``; for ``luminance`` it is stretched to the image's size.
        method: ``mean-covariance``: an affine map of RGB after which mean and covariance equal the reference's. Its
            matrix is ``L_r L_i^-1`` of the covariances' symmetric square roots (Gatys et al., "Controlling Perceptual
            Factors in Neural Style Transfer", arXiv:1611.07865, section 5.1). ``luminance``: the image's luminance
            with the reference's chrominance, pixel by pixel (the same paper, section 5.2).
        weights: how much the image's pixels count in mean and covariance, ``[B, H, W]`` or ``[H, W]``, some above 0;
            None: all the same.
        reference_weights: the same for the reference.

    Returns:
        ``[B, 3, H, W]``, clamped to 0..1, of the image's type and on its device. A flat image gets the reference's
        mean colour.

    Raises:
        AdaINError: the method is unknown, or the batches do not fit.
    """
    check_known("method", method, METHODS)
    check_batch("reference", reference.shape[0], image.shape[0], "the image")
    wide, target = image.float(), reference.float()
    result = (
        _mean_covariance(wide, target, weights, reference_weights) if method == METHODS[0] else _luminance(wide, target)
    )
    return result.clamp(0, 1).to(image)


def _mean_covariance(
    image: Tensor, reference: Tensor, weights: Tensor | None, reference_weights: Tensor | None
) -> Tensor:
    mean, covariance = _color_statistics(image, weights)
    target_mean, target_covariance = _color_statistics(reference, reference_weights)
    root, _ = _roots(target_covariance)
    _, inverse_root = _roots(covariance)
    transform = root @ inverse_root
    moved = transform @ (widened(image).flatten(2) - mean) + target_mean
    return moved.reshape(image.shape).float()


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
