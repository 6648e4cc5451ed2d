"""``evaluate``: a pair's losses and reconstruction on pairs of images it was not trained on."""

from __future__ import annotations

import argparse
import json
from itertools import islice
from pathlib import Path

import torch
from tqdm import tqdm

from ..devices import parse_device
from ..errors import AdaINError
from ..files import atomic_write, check_output
from ..images.files import Picture, check_writable, save_picture, to_tensor
from ..images.folders import Images, list_images
from ..images.resize import center_crop
from ..inference.stylizer import Stylizer
from ..method.features import STRIDE, TAPS
from ..models.bundled import load_pair
from ..training.evaluation import evaluate
from ..training.run.plots import sample_grid
from .comparison import add_comparison_options, check_comparison, run_comparison
from .options import add_model_options

_SHOWN = 8  # rows of the picture


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a decoder on held-out images",
        description=__doc__,
        epilog="Sorted by name, content image k is paired with style image k; the shorter list is repeated.",
    )
    parser.add_argument("content_folder", metavar="CONTENT_DIR", help="photographs, at any depth")
    parser.add_argument("style_folder", metavar="STYLE_DIR", help="style images, at any depth")
    parser.add_argument("--size", type=int, default=256, metavar="N", help="side in pixels (default: %(default)s)")
    parser.add_argument("--pairs", type=int, metavar="N", help="how many (default: as many as the longer list)")
    parser.add_argument("-o", "--output", metavar="JSON", help="also write the figures to this file")
    parser.add_argument("--picture", metavar="OUT", help="also write the first pairs side by side, .png or .jpg")
    add_model_options(parser)
    add_comparison_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if options.size < STRIDE or options.size % STRIDE:
        raise AdaINError(f"--size: expected a multiple of {STRIDE}, found {options.size}")
    if options.pairs is not None and options.pairs < 1:
        raise AdaINError(f"--pairs: expected a number of at least 1, found {options.pairs}")
    if options.output:
        check_output(Path(options.output))
    if options.picture:
        check_writable(options.picture)
    check_comparison(options)
    folders = options.content_folder, options.style_folder
    sides = [_usable(folder, options.size, options.pairs) for folder in folders]
    pairs = options.pairs or max(map(len, sides))
    device = parse_device(options.device)
    encoder, decoder = load_pair(options.encoder, options.decoder, options.pair)
    encoder, decoder = encoder.to(device), decoder.to(device)
    content, style = ([side[k % len(side)] for k in range(pairs)] for side in sides)
    result = evaluate(encoder, decoder, torch.stack(content), torch.stack(style))
    figures = result.figures() | {"pairs": pairs, "size": options.size}
    if options.output:
        with atomic_write(options.output) as temporary:
            temporary.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if options.picture:
        columns = {
            "content": torch.stack(content),
            "style": torch.stack(style),
            "stylized": result.outputs,
            "content = style": result.reconstructions,
        }
        grid = sample_grid({name: images[:_SHOWN] for name, images in columns.items()})
        save_picture(options.picture, Picture(to_tensor(grid)))
    print(f"{pairs} pairs at {options.size} px")
    print(f"content loss            {result.content:.3f}")
    for tap, value in zip(TAPS, result.style, strict=True):
        print(f"style loss at {tap}   {value:.3f}")
    print(f"style loss              {sum(result.style):.3f}")
    print(f"reconstruction PSNR     {result.psnr:.2f} dB")
    print(f"values outside 0..1     {100 * result.outside:.2f} %")
    if options.compare is not None:
        run_comparison(options, Stylizer(encoder, decoder, device), torch.stack(content), torch.stack(style))


def _usable(folder: str, size: int, most: int | None) -> list[torch.Tensor]:
    """Centre crops of the first so many images of a folder that can be used; None: of all."""
    images = Images(list_images(folder), size // 2, folder)
    images.read(0)  # raises when there is none
    crops = (center_crop(pixels, size) for pixels in images.usable())
    found = list(islice(tqdm(crops, desc=folder, total=most or len(images), leave=False), most))
    for path, reason in images.skipped.items():
        tqdm.write(f"skipped {path}: {reason}")
    return found
