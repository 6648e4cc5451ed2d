"""``stylize``: one image in one style or a mix of several."""

from __future__ import annotations

import argparse

from tqdm import tqdm

from ..inference.stylize_file import FileJob, stylize_file
from .options import (
    add_color_options,
    add_detail_size_option,
    add_model_options,
    add_precision_option,
    add_refine_option,
    add_style_size_option,
    color_match,
    load_stylizer,
    parse_bytes,
    preserves_color,
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("stylize", help="stylize an image", description=__doc__)
    parser.add_argument("content", metavar="CONTENT", help="image to stylize")
    parser.add_argument(
        "styles",
        metavar="STYLE",
        nargs="+",
        help="style image, style file, or name.safetensors of the library's, bank.safetensors:0 for the first of a "
        "bank's; several are mixed",
    )
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
    parser.add_argument(
        "--feather",
        type=float,
        default=0.0,
        metavar="PIXELS",
        help="soft edges of that width for the masks (default: the masks as they are)",
    )
    parser.add_argument(
        "--style-mask",
        nargs="+",
        default=[],
        metavar="M",
        help="where the style images' statistics are taken (white), one per style (default: everywhere)",
    )
    parser.add_argument(
        "--channels",
        metavar="LIST",
        help="which feature channels take the style: channels, ranges or names of clusters, each with its weight, such "
        "as '0-63, 64-127:0.5'; the others take none. vgg19 has 0-511, fine 0-1087, light 0-191 (default: all)",
    )
    add_color_options(parser)
    add_refine_option(parser)
    add_style_size_option(parser)
    add_detail_size_option(parser)
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
    job = FileJob(
        options.content,
        options.styles,
        options.output,
        options.alpha,
        options.weights,
        options.mask,
        preserves_color(options),
        options.style_size,
        options.refine,
        color_match(options),
        options.detail_size,
        options.feather,
        options.style_mask,
        options.channels,
    )
    allowed = None if options.max_memory is None else parse_bytes(options.max_memory)
    stylizer = load_stylizer(options, options.precision)
    # Delayed, so that a mistake found before the work leaves one line and no bar.
    with tqdm(desc="stylize", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}", delay=0.5) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        stylize_file(stylizer, job, allowed, show)
