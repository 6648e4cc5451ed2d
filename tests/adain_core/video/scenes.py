"""Moving scenes for the tests that need no video file."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from adain_core.images.files import load_picture


def scene(frames: int, seed: int = 0) -> torch.Tensor:
    """Features of a scene that changes a little from frame to frame, ``[frames, 16, 5, 6]``."""
    generator = torch.Generator().manual_seed(seed)
    still = torch.randn(1, 16, 5, 6, generator=generator)
    return still + 0.1 * torch.randn(frames, 16, 5, 6, generator=generator)


def photo(examples: Path, size: tuple[int, int] = (96, 128), left: int = 0, top: int = 0) -> torch.Tensor:
    """``[1, 3, *size]``: what a camera sees that looks right and down by so many pixels."""
    pixels = load_picture(examples / "content_chelsea.jpg").pixels
    pixels = F.interpolate(pixels, scale_factor=0.5, mode="bilinear", antialias=True)
    return pixels[..., 20 + top : 20 + top + size[0], 20 + left : 20 + left + size[1]]
