"""``stylize``: one image in one style or a mix of several."""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch
from tqdm import tqdm

from ..adain import check_alpha
from ..images import check_writable, count_pixels, load_mask, load_picture, save_picture
from ..memory import budget, parse_bytes, picture_memory, resident_memory, whole_memory
from ..streaming import LEAST_MEMORY
from ..stylizer import Stylizer, check_controls
from .models import add_model_options, add_precision_option, load_stylizer
from .styles import add_style_size_option, check_style_size, load_styles
from .tiles import BAR, stylize_in_tiles


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
    add_style_size_option(parser)
    parser.add_argument(
        "--max-memory",
        metavar="AMOUNT",
        help="what the program may occupy in all, such as 2G; images of any size are then worked on in tiles, from "
        "file to file (default: most of the free memory)",
    )
    add_model_options(parser)
    add_precision_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    check_writable(options.output)
    check_alpha(options.alpha)
    check_controls(len(options.styles), options.weights, len(options.mask))
    check_style_size(options)
    allowed = None if options.max_memory is None else parse_bytes(options.max_memory)
    stylizer = load_stylizer(options, options.precision)
    memory = budget(torch.device("cpu")) if allowed is None else allowed - resident_memory()
    needed = whole_memory(count_pixels(options.content)) + picture_memory(sum(map(count_pixels, options.mask)))
    # Beside the machine's memory a GPU's own must hold the image's features.
    if needed > min(memory, budget(stylizer.device)):
        stylize_in_tiles(options, stylizer, memory)
    else:
        _at_once(options, stylizer, memory)


def _at_once(options: argparse.Namespace, stylizer: Stylizer, memory: int) -> None:
    content = load_picture(options.content)
    memory -= picture_memory(content.pixels[0, 0].numel())
    styles = load_styles(options, memory - LEAST_MEMORY)
    memory -= picture_memory(sum(style[0, 0].numel() for style in styles))
    masks = [load_mask(path) for path in options.mask]
    with tqdm(total=1, desc="stylize", bar_format=BAR) as bar:
        result = stylizer.stylize(
            content.pixels,
            styles,
            alpha=options.alpha,
            weights=options.weights,
            masks=masks,
            preserve_color=options.preserve_color,
            memory=min(memory, budget(stylizer.device)),
        )
        save_picture(options.output, replace(content, pixels=result))
        bar.update()
