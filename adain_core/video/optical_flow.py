"""Optical flow between frames, and images carried along it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..errors import AdaINError

_LEVELS = 255
# Farneback's: halving pyramid, levels, window, iterations, neighbourhood and its deviation, flags
_FARNEBACK = (0.5, 5, 15, 3, 5, 1.1, 0)


def import_cv2() -> ModuleType:
    """OpenCV.

    Raises:
        AdaINError: it is not installed.
    """
    try:
        import cv2
    except ImportError:
        raise AdaINError("flow: OpenCV is not installed; 'pip install opencv-python-headless' installs it") from None
    return cv2


def flow_available() -> bool:
    """Whether OpenCV is installed."""
    try:
        import_cv2()
    except AdaINError:
        return False
    return True


def optical_flow(start: Tensor, end: Tensor) -> Tensor:
    """Where each pixel of one frame is in another, computed on the CPU.

    OpenCV's version of Farneback, "Two-Frame Motion Estimation Based on Polynomial Expansion", SCIA 2003.

    Args:
        start, end: frames ``[1, 3, H, W]`` RGB 0..1.

    Returns:
        Displacements ``[1, 2, H, W]`` in pixels, x then y: the pixel of `start` at p is that of `end` at ``p + flow``.

    Raises:
        AdaINError: OpenCV is missing.
    """
    cv2 = import_cv2()
    flow = cv2.calcOpticalFlowFarneback(_grey(start), _grey(end), None, *_FARNEBACK)
    return torch.from_numpy(flow).permute(2, 0, 1)[None]


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """``out(p) = image(p + flow(p))``; beyond the border its last pixel repeats.

    Args:
        image: ``[1, C, H, W]``.
        flow: ``[1, 2, H, W]`` in pixels, x then y.
        mode: ``bilinear`` or ``bicubic``, the latter sharper, with overshoot at edges.
    """
    height, width = image.shape[2:]
    scale = torch.tensor([2 / width, 2 / height], device=flow.device)[:, None, None]
    where = ((_positions(flow) + flow + 0.5) * scale - 1).permute(0, 2, 3, 1)
    return F.grid_sample(image, where.to(image), mode=mode, padding_mode="border", align_corners=False)


def consistent(flow: Tensor, back: Tensor) -> Tensor:
    """Where a flow can be trusted: the flow back returns to where it started, and both stay inside the frame.

    ``|w + w'|^2 < 0.01 (|w|^2 + |w'|^2) + 0.5`` with w' the flow back, taken where w leads to (Sundaram, Brox and
    Keutzer, "Dense Point Trajectories by GPU-Accelerated Large Displacement Optical Flow", ECCV 2010, eq. 5).

    Args:
        flow, back: ``[1, 2, H, W]`` in pixels.

    Returns:
        ``[1, 1, H, W]``, 0 or 1.
    """
    returned = warp(back, flow)
    error, length = (flow + returned).square(), flow.square() + returned.square()
    closed = error.sum(dim=1, keepdim=True) < 0.01 * length.sum(dim=1, keepdim=True) + 0.5
    target = _positions(flow) + flow
    last = torch.tensor([flow.shape[3] - 1, flow.shape[2] - 1], device=flow.device)[:, None, None]
    inside = ((target >= 0) & (target <= last)).all(dim=1, keepdim=True)
    return (closed & inside).float()


def _positions(flow: Tensor) -> Tensor:
    """``[2, H, W]``: x and y of each pixel."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device), torch.arange(width, device=flow.device), indexing="ij"
    )
    return torch.stack([x, y]).to(flow.dtype)


def _grey(frame: Tensor) -> NDArray[np.uint8]:
    """ITU-R BT.601 luminance ``[H, W]``."""
    red, green, blue = frame[0].float().cpu()
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    levels: NDArray[Any] = luminance.mul(_LEVELS).round().clamp(0, _LEVELS).byte().numpy()
    return levels
