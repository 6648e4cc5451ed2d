"""``stylize``: one image in one style or a mix of several."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tqdm import tqdm

from ..adain import check_alpha
from ..color import match_color
from ..errors import AdaINError
from ..images import check_writable, count_pixels, load_mask, load_picture, save_picture
from ..large_images import LIBVIPS_BYTES, LargeImage, LargeResult
from ..memory import budget, parse_bytes, resident_memory, whole_memory
from ..streaming import LEAST_MEMORY, stylize_stream
from ..stylizer import Stylizer, check_controls, plan_steps
from .models import add_model_options, add_precision_option, load_stylizer
from .styles import add_style_size_option, check_style_size, load_styles

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


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
    # Beside the machine's memory a GPU's own must hold the image's features.
    if whole_memory(count_pixels(options.content)) > min(memory, budget(stylizer.device)):
        _from_file_to_file(options, stylizer, memory)
    else:
        _in_memory(options, stylizer)


def _in_memory(options: argparse.Namespace, stylizer: Stylizer) -> None:
    content = load_picture(options.content)
    styles = load_styles(options)
    masks = [load_mask(path) for path in options.mask]
    with tqdm(total=1, desc="stylize", bar_format=_BAR) as bar:
        result = stylizer.stylize(
            content.pixels,
            styles,
            alpha=options.alpha,
            weights=options.weights,
            masks=masks,
            preserve_color=options.preserve_color,
        )
        save_picture(options.output, replace(content, pixels=result))
        bar.update()


def _from_file_to_file(options: argparse.Namespace, stylizer: Stylizer, memory: int) -> None:
    content = LargeImage(options.content)
    memory -= LIBVIPS_BYTES
    if memory < LEAST_MEMORY:
        raise AdaINError(
            f"memory: expected {(LEAST_MEMORY - memory) / 2**20:.0f} MiB more than "
            f"{options.max_memory or 'most of the free memory'} to stylize even in the smallest tiles"
        )
    colors = content.sample() if options.preserve_color else None
    styles = []
    for pixels in load_styles(options):
        recolored = pixels if colors is None else match_color(pixels, colors)
        styles.append(stylizer.style(recolored, memory=memory))
    masks = [LargeImage(path).mask(content.size) for path in options.mask]
    folder = Path(options.output).parent
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".stylize.", dir=folder) as name, tqdm(desc="stylize", bar_format=_BAR) as bar:
        scratch = Path(name)

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        result = LargeResult(options.output, content.size, scratch)
        steps = plan_steps(styles, options.weights, masks)
        stylize_stream(stylizer, content, result, steps, options.alpha, memory=memory, folder=scratch, progress=show)
        result.save(content.opacity, content.icc_profile)
