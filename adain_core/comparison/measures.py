"""What a picture of a pair is measured by."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from ..errors import AdaINError
from ..method.features import deepest
from ..method.losses import content_loss, style_terms
from ..method.normalization import channel_statistics
from ..models.vgg import VGGEncoder

_LEVELS = 255  # of a picture with 8 bits, as it would be saved
_SSIM_WINDOW = 11  # pixels, scikit-image's for the paper's Gaussian
_LUMA = (0.299, 0.587, 0.114)  # of R, G and B (ITU-R BT.601)

# A content and a style of one size, ``[1, 3, H, W]`` RGB 0..1, to what measures a picture of them.
Measure = Callable[[Tensor, Tensor], Callable[[Tensor], dict[str, float]]]


def losses(vgg: VGGEncoder) -> Measure:
    """``content``: mean squared difference to the content's features at relu4_1, which is eq. 12 toward the photo, not
    toward AdaIN's output, since the optimization has none. ``style``: eq. 13, the four layers' sum."""

    def of(content: Tensor, style: Tensor) -> Callable[[Tensor], dict[str, float]]:
        device = next(vgg.parameters()).device
        with torch.inference_mode():
            wanted = deepest(vgg(content.to(device)))
            layers = [channel_statistics(tap) for tap in vgg.taps(style.to(device))]

        def measure(picture: Tensor) -> dict[str, float]:
            with torch.inference_mode():
                taps = vgg.taps(picture.to(device))
                terms = style_terms(taps, layers)
                return {"content": float(content_loss(taps[-1], wanted)), "style": float(sum(map(float, terms)))}

        return measure

    return of


def ssim(content: Tensor, style: Tensor) -> Callable[[Tensor], dict[str, float]]:
    """Structural similarity of the luma to the content's, at most 1 (Wang et al., IEEE TIP 13(4), 2004).

    Not measured without scikit-image, nor of pictures that are smaller than its window.
    """
    if importlib.util.find_spec("skimage") is None or min(content.shape[2:]) < _SSIM_WINDOW:
        return lambda picture: {}
    from skimage.metrics import structural_similarity

    def luma(pixels: Tensor) -> Tensor:
        return (pixels[0] * torch.tensor(_LUMA).view(3, 1, 1)).sum(0)

    photo = luma(content).numpy()
    # The paper's window: a Gaussian of 1.5 pixels.
    paper = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return lambda picture: {"SSIM": float(structural_similarity(photo, luma(picture).numpy(), **paper))}


def judge(path: Path) -> Measure:
    """A judge that knows no VGG, see `load_judge`."""
    module = load_judge(path)

    def of(content: Tensor, style: Tensor) -> Callable[[Tensor], dict[str, float]]:
        wanted = module.features(style), module.features(content)

        def measure(picture: Tensor) -> dict[str, float]:
            with torch.inference_mode():
                own = module.features(picture)
                return {
                    "judge's style": float(module.style_distance(own, wanted[0])),
                    "judge's content": float(module.content_distance(own, wanted[1])),
                }

        return measure

    return of


@functools.cache  # its networks may take a while to read
def load_judge(path: Path) -> ModuleType:
    """A Python file with ``features(images)``, ``style_distance(output, style)`` and ``content_distance(output,
    content)`` of what that gives, lower is better. It is run: give only files that you trust.

    Raises:
        AdaINError: another file.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise AdaINError(f"judge: expected a Python file, found {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    missing = [name for name in ("features", "style_distance", "content_distance") if not hasattr(module, name)]
    if missing:
        raise AdaINError(f"judge: expected {path} to define {' and '.join(missing)}")
    return module


def as_saved(picture: Tensor) -> Tensor:
    """Clamped to 0..1 and rounded to 8 bits."""
    return (picture.clamp(0, 1) * _LEVELS).round() / _LEVELS
