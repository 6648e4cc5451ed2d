"""The option all commands with style images share."""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from ..errors import AdaINError
from ..images import count_pixels, load_picture, scale_short_side
from ..memory import budget, picture_memory


def add_style_size_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--style-size",
        type=int,
        default=512,
        metavar="N",
        help="scale style images to this short side, which sets the size of the strokes; 0: as they are "
        "(default: %(default)s)",
    )


def check_style_size(options: argparse.Namespace) -> None:
    """Raises AdaINError unless it is 0 or more."""
    if options.style_size < 0:
        raise AdaINError(f"--style-size: expected 0 or a number of pixels, found {options.style_size}")


def load_styles(options: argparse.Namespace, memory: int | None = None) -> list[Tensor]:
    """The style images of a command, ``[1, 3, h, w]`` each, at the size it asks for.

    Args:
        options: of the command.
        memory: bytes that reading each may take; None: most of what is free.
    """
    memory = budget(torch.device("cpu")) if memory is None else memory
    return [_load_style(path, options.style_size, memory) for path in options.styles]


def _load_style(path: str, side: int, memory: int) -> Tensor:
    if picture_memory(count_pixels(path)) <= memory:
        return scale_short_side(load_picture(path).pixels, side)
    if side == 0:
        raise AdaINError(f"--style-size: expected a size for a style too large for the memory allowed, found 0: {path}")
    from ..large_images import LargeImage

    return LargeImage(path).scaled(side)
