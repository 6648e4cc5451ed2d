"""Makes the example workflows' thumbnails, the README's picture, icon and banner from real results.

python -m tests.comfyui.make_thumbnails                       after a change of the decoder, but for those of trainings
python -m tests.comfyui.make_thumbnails "11 Mix two styles"   only that workflow, or those; a training takes minutes
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.functional import center_crop
from torchvision.utils import make_grid

from adain_core import Stylizer
from adain_core.images.files import load_picture, to_image
from adain_core.images.resize import scale_short_side
from adain_core.video.reader import VideoReader
from tests.adain_core.clips import write_clip

from .expected import EXAMPLES
from .server import Server, error_of, own_server
from .workflows import films, to_api, trains

SECONDS = 3600  # a workflow may take: a training does
THUMBNAIL = 512  # pixels, the longer side
QUALITY = 88
CELL = 224  # pixels, one picture of the README's table
ICON = 400  # pixels, the registry's largest
REFINE = 10  # steps, of the README's picture, icon and banner
BANNER = (1344, 576)  # pixels, the registry's 21:9


def main() -> None:
    stems = sys.argv[1:] or [path.stem for path in EXAMPLES.glob("*.json") if not trains(path)]
    with own_server() as server:
        for stem in sorted(stems):
            path = EXAMPLES / f"{stem}.json"
            prompt = to_api(json.loads(path.read_text()), server.get("/object_info"))
            images = film(server, prompt) if films(path) else pictures(server, prompt)
            thumbnail(images, path.with_suffix(".jpg"))
    if not sys.argv[1:]:
        table()
        icon_and_banner()


def pictures(server: Server, prompt: dict) -> Tensor:
    """Results; where the user's pictures are loaded, of our own."""
    loaded = [node for node in prompt.values() if node["class_type"] == "LoadImage"]
    for node, name in zip(loaded, ("content_coffee.jpg", "style_starry_night.jpg"), strict=False):
        server.add_input(EXAMPLES / name)
        node["inputs"]["image"] = name
    images = server.run(prompt, SECONDS)
    return torch.cat([images[node] for node in results(prompt)]).movedim(3, 1)


def film(server: Server, prompt: dict) -> Tensor:
    """The frames that come of a camera moving over a photo."""
    photo = load_picture(EXAMPLES / "content_coffee.jpg").pixels[0]
    height, width = photo.shape[1] * 3 // 4 // 2 * 2, photo.shape[2] * 3 // 4 // 2 * 2

    def show(number: int, size: tuple[int, int]) -> np.ndarray:
        top, left = (number * (whole - part) // 3 for whole, part in zip(photo.shape[1:], size, strict=True))
        return np.array(to_image(photo[:, top : top + size[0], left : left + size[1]]))

    (loaded,) = (node["inputs"]["file"] for node in prompt.values() if node["class_type"] == "LoadVideo")
    write_clip(server.base / "input" / loaded, 4, (height, width), sound=None, show=show)
    entry = server.wait(server.submit(prompt), SECONDS)
    assert entry["status"]["status_str"] == "success", error_of(entry)
    (made,) = (server.base / "output/adain_video").glob("*.mp4")
    frames = [torch.from_numpy(frame.levels.copy()) for frame in VideoReader(made).frames()]
    return torch.stack(frames).movedim(3, 1) / 255


def results(prompt: dict) -> list[str]:
    """The previews of results; where there are only samples of trainings, that of the last one."""
    shown = ("PreviewImage", "SaveImage")
    previews = sorted((node for node in prompt if prompt[node]["class_type"] in shown), key=int)
    sources = {node: prompt[prompt[node]["inputs"]["images"][0]]["class_type"] for node in previews}
    return [node for node in previews if sources[node] != "AdaINTrainDecoder"] or previews[-1:]


def thumbnail(images: Tensor, path: Path) -> None:
    """One picture, or a grid of a batch; on white where it is transparent."""
    if images.shape[1] > 3:
        images, opacity = images.split([3, 1], dim=1)
        images = images * opacity + 1 - opacity
    columns = {4: 2, 8: 4}.get(len(images), 3)
    image = to_image(make_grid(images, nrow=columns, padding=0, pad_value=1.0) if len(images) > 1 else images[0])
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
        cells += [_cell(stylizer.stylize(content, style, refine=REFINE)) for style in styles]
    grid = make_grid(torch.stack(cells), nrow=len(styles) + 1, padding=4, pad_value=1.0)
    to_image(grid).save(EXAMPLES / "results.jpg", quality=QUALITY)


def icon_and_banner() -> None:
    """For the registry: one photo in one style, and in four side by side."""
    stylizer = Stylizer.load()
    photo = load_picture(EXAMPLES / "content_astronaut.jpg").pixels
    styles = [_square("style", name) for name in ("starry_night", "safe_landing", "honeywave", "paint_brushes")]
    size = BANNER[0] // len(styles), BANNER[1]
    strips = [_fit(stylizer.stylize(_fit(photo, size), style, refine=REFINE), size) for style in styles]
    to_image(torch.cat(strips, dim=3)[0]).save(EXAMPLES / "banner.jpg", quality=QUALITY)
    square = _fit(photo[..., : photo.shape[3] * 3 // 4, : photo.shape[3] * 3 // 4], (ICON, ICON))
    to_image(stylizer.stylize(square, styles[0], refine=REFINE)[0]).save(EXAMPLES / "icon.png")


def _fit(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Scaled to cover width and height, and cut there in the middle."""
    width, height = size
    side = max(width, round(height * pixels.shape[3] / pixels.shape[2]))
    pixels = scale_short_side(pixels, min(side, round(side * pixels.shape[2] / pixels.shape[3])))
    return center_crop(pixels, [height, width])


def _square(kind: str, name: str) -> Tensor:
    pixels = scale_short_side(load_picture(EXAMPLES / f"{kind}_{name}.jpg").pixels, 2 * CELL)
    top, left = (pixels.shape[2] - 2 * CELL) // 2, (pixels.shape[3] - 2 * CELL) // 2
    return pixels[..., top : top + 2 * CELL, left : left + 2 * CELL]


def _cell(pixels: Tensor) -> Tensor:
    return scale_short_side(pixels, CELL)[0]


if __name__ == "__main__":
    main()
