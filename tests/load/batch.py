"""A stylized data set on the command line: is every picture right, do memory and open files stay?

python -m tests.load.batch [--outputs 2000] [-o NAME]

Pictures of 64 pixels, five styles for each, the light pair. Prints what the process occupies and writes it to NAME.csv
and NAME.png; fails when an output is not what the core makes of it.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.stylized_datasets.plan import Settings, plan, relative_images
from tests.adain_core.pictures import write_pictures

from .use_curve import report, save, watched

SIDE = 64
STYLES, STYLES_PER_IMAGE = 20, 5
TOLERANCE = 1.5 / 255  # rounding to 8 bits, and the order of sums
SETTLED = 200  # outputs until all that is kept has been made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outputs", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, metavar="NAME")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        content = write_pictures(Path(folder, "content"), options.outputs // STYLES_PER_IMAGE, size=(SIDE, SIDE))
        style = write_pictures(Path(folder, "style"), STYLES, size=(SIDE, SIDE), seed=1)
        settings = Settings(content, style, Path(folder, "out"), STYLES_PER_IMAGE, style_size=SIDE, format="png")
        command = ("batch", content, style, "-o", settings.output_folder, "--styles-per-image", STYLES_PER_IMAGE)
        command += ("--format", "png", "--style-size", SIDE, "--pair", "light", "--device", "cpu")
        uses = watched(command, lambda: len(list(settings.output_folder.rglob("[!.]*.png"))))
        if options.output:
            save(options.output, uses, "outputs")
        print(report(uses, min(SETTLED, uses[-1].done), "outputs"))
        count, worst = check(settings)
    print(f"{count} outputs; largest difference to the core {worst:.4f} (of 0..1)")
    if count != options.outputs or worst > TOLERANCE:
        raise SystemExit(f"expected {options.outputs} outputs, at most {TOLERANCE:.4f} from the core's")


def check(settings: Settings) -> tuple[int, float]:
    """How many outputs there are, and by how much one differs at most from the core's, of 0..1."""
    stylizer = Stylizer.load(device="cpu", pair="light")
    looks = cache(lambda name: stylizer.style(pixels_of(settings.style_folder / name)))
    styles = relative_images(settings.style_folder)
    count, worst = 0, 0.0
    for image in relative_images(settings.content_folder):
        content = pixels_of(settings.content_folder / image)
        for target in plan(settings, image, styles):
            with torch.inference_mode():
                expected = stylizer.stylize(content, looks(target.style))
            found = pixels_of(settings.output_folder / target.output)
            count, worst = count + 1, max(worst, float((found - expected).abs().max()))
    return count, worst


def pixels_of(path: Path) -> Tensor:
    return load_picture(path).pixels


if __name__ == "__main__":
    main()
