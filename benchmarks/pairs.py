"""One picture of all pairs side by side: photo, painting, the fine pair, it refined, the VGG-19 pair, the light pair.

python -m benchmarks.pairs OUT.jpg [PHOTO PAINTING ...] [--size 512] [--microast FOLDER]

Without pictures of one's own the examples; with a clone of EndyWon/MicroAST its result, too. Centre squares, the CPU.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from adain_core import Stylizer
from adain_core.images.files import Picture, load_picture, save_picture, to_tensor
from adain_core.images.resize import center_crop
from adain_core.training.run.plots import sample_grid

from .microast import microast

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
REFINED = 10  # steps
ROWS = (
    ("content_astronaut.jpg", "style_starry_night.jpg"),
    ("content_chelsea.jpg", "style_safe_landing.jpg"),
    ("content_coffee.jpg", "style_honeywave.jpg"),
)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", metavar="OUT")
    parser.add_argument("pictures", metavar="PHOTO PAINTING", nargs="*")
    parser.add_argument("--size", type=int, default=512, help="side in pixels (default: %(default)s)")
    parser.add_argument("--microast", metavar="FOLDER")
    options = parser.parse_args()
    rows = list(zip(options.pictures[::2], options.pictures[1::2], strict=True))
    rows = rows or [tuple(EXAMPLES / name for name in row) for row in ROWS]
    squares = [[center_crop(load_picture(path).pixels[0], options.size)[None] for path in row] for row in rows]
    columns = dict(zip(("content", "style"), zip(*squares, strict=True), strict=True))
    for pair in ("fine", "vgg19", "light"):
        stylizer = Stylizer.load(device="cpu", pair=pair)
        columns[pair] = [stylizer.stylize(content, style) for content, style in squares]
        if pair == "fine":
            columns["refined"] = [stylizer.stylize(content, style, refine=REFINED) for content, style in squares]
    if options.microast:
        network = microast(options.microast)
        columns["MicroAST"] = [network(content, style) for content, style in squares]
    grid = sample_grid({name: torch.cat(list(images)) for name, images in columns.items()})
    save_picture(options.output, Picture(to_tensor(grid)))


if __name__ == "__main__":
    main()
