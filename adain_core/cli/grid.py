"""``grid``: one image in alpha steps of one style, from one style to another, or between four."""

from __future__ import annotations

import argparse

from tqdm import tqdm

from ..files import check_not_read
from ..images.files import Picture, check_writable, load_picture, save_picture
from ..images.labelled_grid import labelled_grid
from ..inference.style_grid import LARGEST, SMALLEST, plan_grid, stylized_cells
from ..inference.stylize_file import load_styles
from ..inference.stylizer import Stylizer
from ..method.style import Style, check_style_size
from ..models.style_library import is_style_file, read_style
from .options import add_model_options, add_precision_option, add_style_size_option, load_stylizer


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("grid", help="one labelled picture of many mixtures", description=__doc__)
    parser.add_argument("content", metavar="CONTENT", help="image to stylize")
    parser.add_argument(
        "styles",
        metavar="STYLE",
        nargs="+",
        help="style image, or style file as in stylize: one, two, or four for the corners",
    )
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the picture, .png or .jpg")
    parser.add_argument(
        "--steps", type=int, default=5, metavar="N", help=f"in a row, {SMALLEST}..{LARGEST} (default: %(default)s)"
    )
    parser.add_argument("--alpha", type=float, default=1.0, help="0: content, 1: style (default: %(default)s)")
    parser.add_argument(
        "--cell",
        type=int,
        default=256,
        metavar="N",
        help="longer side of each picture, pixels; 0: the content's own (default: %(default)s)",
    )
    add_style_size_option(parser)
    add_model_options(parser)
    add_precision_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    check_writable(options.output)
    check_not_read(options.output, (options.content, *options.styles))
    check_style_size(options.style_size)
    cells = plan_grid(len(options.styles), options.steps, options.alpha)
    content = load_picture(options.content)
    stylizer = load_stylizer(options, options.precision)
    styles = [_load(stylizer, path, options.style_size) for path in options.styles]
    made = stylized_cells(stylizer.decode, stylizer.encode(content.filled, content.weights), styles, cells)
    pictures = [picture.cpu() for picture in tqdm(made, "grid", len(cells))]
    grid = labelled_grid(pictures, [cell.label for cell in cells], options.steps, options.cell)
    save_picture(options.output, Picture(grid))


def _load(stylizer: Stylizer, path: str, side: int) -> Style:
    if is_style_file(path):
        return read_style(path, stylizer.encoder.fingerprint)
    (picture,) = load_styles([path], side)
    return stylizer.style(picture.filled, picture.weights)
