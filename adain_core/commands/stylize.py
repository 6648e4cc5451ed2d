"""``stylize``: one image in one style or a mix of several."""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from ..adain import check_alpha
from ..errors import AdaINError
from ..images import check_writable, load_mask, load_picture, save_picture
from .models import add_model_options, load_stylizer


def add_parser(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("stylize", help="stylize an image", description=__doc__)
    parser.add_argument("content", metavar="CONTENT", help="image to stylize")
    parser.add_argument("styles", metavar="STYLE", nargs="+", help="style image; several are mixed")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="result, .png or .jpg")
    parser.add_argument("--alpha", type=float, default=1.0, help="0: content, 1: style (default: %(default)s)")
    parser.add_argument("--weights", type=float, nargs="+", metavar="W", help="one per style (default: equal)")
    parser.add_argument(
        "--mask",
        nargs="+",
        default=[],
        metavar="M",
        help="where to stylize (white); with several styles one mask for all or one per style",
    )
    parser.add_argument("--preserve-color", action="store_true", help="keep the content's colours")
    parser.add_argument(
        "--style-size",
        type=int,
        default=512,
        metavar="N",
        help="scale style images to this short side, which sets the size of the strokes; 0: as they are "
        "(default: %(default)s)",
    )
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    check_writable(options.output)
    check_alpha(options.alpha)
    if options.style_size < 0:
        raise AdaINError(f"--style-size: expected 0 or a number of pixels, found {options.style_size}")
    content = load_picture(options.content)
    styles = [scale_short_side(load_picture(path).pixels, options.style_size) for path in options.styles]
    masks = [load_mask(path) for path in options.mask]
    with tqdm(total=3, desc="stylize", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}") as progress:
        stylizer = load_stylizer(options)
        progress.update()
        result = stylizer.stylize(
            content.pixels,
            styles,
            alpha=options.alpha,
            weights=options.weights,
            masks=masks,
            preserve_color=options.preserve_color,
        )
        progress.update()
        save_picture(options.output, replace(content, pixels=result))
        progress.update()


def scale_short_side(pixels: Tensor, side: int) -> Tensor:
    """Scales ``[B, 3, H, W]`` so that the shorter side has that many pixels, aspect kept; 0: unchanged."""
    height, width = pixels.shape[2:]
    if side == 0 or min(height, width) == side:
        return pixels
    scale = side / min(height, width)
    size = [max(1, round(height * scale)), max(1, round(width * scale))]
    return F.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)
