"""The option all commands with style images share."""

from __future__ import annotations

import argparse

from torch import Tensor

from ..errors import AdaINError
from ..images import load_picture, scale_short_side


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


def load_styles(options: argparse.Namespace) -> list[Tensor]:
    """The style images of a command, ``[1, 3, h, w]`` each, at the size it asks for."""
    return [scale_short_side(load_picture(path).pixels, options.style_size) for path in options.styles]
