"""Makes the example workflows' thumbnails and the README's picture from real results.

python -m tests.comfyui.make_thumbnails              after a change of the decoder
python -m tests.comfyui.make_thumbnails stylize ...  only those workflows
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import make_grid

from adain_core import Stylizer
from adain_core.commands.stylize import scale_short_side
from adain_core.images import load_picture, to_image

from .expected import EXAMPLES
from .server import Server, find_comfyui
from .workflows import to_api

THUMBNAIL = 512  # pixels, the longer side
QUALITY = 88
CELL = 224  # pixels, one picture of the README's table


def main() -> None:
    found = find_comfyui()
    if isinstance(found, str):
        raise SystemExit(found)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(*found, Path(folder))
        try:
            for path in sorted(EXAMPLES.glob("*.json")):
                if path.stem.startswith("train") or (sys.argv[1:] and path.stem not in sys.argv[1:]):
                    continue
                images = server.run(to_api(json.loads(path.read_text()), server.get("/object_info")))
                thumbnail(torch.cat(list(images.values())).movedim(3, 1), path.with_suffix(".jpg"))
        finally:
            server.stop()
    if not sys.argv[1:]:
        table()


def thumbnail(images: Tensor, path: Path) -> None:
    """One picture, or a grid of a batch."""
    image = to_image(make_grid(images, nrow=2, padding=0) if len(images) > 1 else images[0])
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    image.save(path, quality=QUALITY)


def table() -> None:
    """Contents down, styles across, results between."""
    stylizer = Stylizer.load()
    contents = [_square("content", name) for name in ("astronaut", "chelsea", "coffee")]
    styles = [_square("style", name) for name in ("starry_night", "safe_landing", "honeywave", "paint_brushes")]
    cells = [torch.ones(3, CELL, CELL), *(_cell(style) for style in styles)]
    for content in contents:
        cells.append(_cell(content))
        cells += [_cell(stylizer.stylize(content, style)) for style in styles]
    grid = make_grid(torch.stack(cells), nrow=len(styles) + 1, padding=4, pad_value=1.0)
    to_image(grid).save(EXAMPLES / "results.jpg", quality=QUALITY)


def _square(kind: str, name: str) -> Tensor:
    pixels = scale_short_side(load_picture(EXAMPLES / f"{kind}_{name}.jpg").pixels, 2 * CELL)
    top, left = (pixels.shape[2] - 2 * CELL) // 2, (pixels.shape[3] - 2 * CELL) // 2
    return pixels[..., top : top + 2 * CELL, left : left + 2 * CELL]


def _cell(pixels: Tensor) -> Tensor:
    return scale_short_side(pixels, CELL)[0]


if __name__ == "__main__":
    main()
