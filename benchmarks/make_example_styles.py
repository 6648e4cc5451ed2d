"""Makes examples/styles anew, as after a change of the fine pair: one style, and a bank of three that are fitted.

python -m benchmarks.make_example_styles
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from adain_core import Stylizer, save_style
from adain_core.images.files import load_picture, scaled, to_image
from adain_core.images.resize import scale_short_side
from adain_core.inference.stylize_file import DEFAULT_STYLE_SIZE
from adain_core.training.fit_style import fit_bank

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
STARRY_NIGHT = {"name": "The Starry Night", "author": "Vincent van Gogh", "license": "public domain"}
IN_SOURCES = {"author": "see examples/SOURCES.md", "license": "see examples/SOURCES.md"}
BANK = {"name": "Starry Night, Paint Brushes, Stained Tissue", **IN_SOURCES}
STEPS = 30
SIDE = 256  # pixels, the short side of the photo that the thumbnail is made of


def painting(name: str) -> Tensor:
    return scaled(load_picture(EXAMPLES / f"style_{name}.jpg"), DEFAULT_STYLE_SIZE).pixels


def photo(name: str) -> Tensor:
    return load_picture(EXAMPLES / f"content_{name}.jpg").pixels


def main() -> None:
    stylizer = Stylizer.load(device="cpu")
    style = replace(stylizer.style(painting("starry_night"), layers=True), info=STARRY_NIGHT)
    thumbnail = stylizer.stylize(scale_short_side(photo("astronaut"), SIDE), style)
    save_style(EXAMPLES / "styles/starry_night.safetensors", style, to_image(thumbnail[0]))
    images = [painting(name) for name in ("starry_night", "paint_brushes", "tissue")]
    contents = [photo(name) for name in ("astronaut", "chelsea", "coffee")]
    bank = fit_bank(stylizer.encoder, stylizer.decoder, images, STEPS, contents)
    save_style(EXAMPLES / "styles/bank_of_three.safetensors", replace(bank, info=BANK))


if __name__ == "__main__":
    main()
