"""What fitting a style brings, on photos that were not used in it: style and content loss against plain statistics.

python -m benchmarks.fit_style --styles FILE ... --fit PHOTO ... --test PHOTO ... [--steps 60] [--pair vgg19]
    [--save FOLDER]

Each style image is fitted by itself, with the photos of --fit. The losses are the paper's: style (eq. 13) against the
style image, content (eq. 12) against what AdaIN gives with the same style, means over the photos of --test, whose
central squares are taken. ``structure`` does not depend on the style: the content loss between relu4_1 of photo and
picture, both instance-normalized.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from adain_core import Style, Stylizer, fit_style, save_style
from adain_core.images.files import Picture, load_picture, save_picture
from adain_core.images.resize import center_crop, scale_short_side
from adain_core.inference.pipeline import apply_style
from adain_core.method.features import deepest
from adain_core.method.losses import content_loss, style_loss
from adain_core.method.normalization import Statistics, channel_statistics

STYLE_SIDE = 384  # pixels, the shorter side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("styles", "fit", "test"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--steps", type=int, default=60, help="(default: %(default)s)")
    parser.add_argument("--size", type=int, default=256, help="of test photos, pixels (default: %(default)s)")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="for styles and pictures")
    parser.add_argument("--pair", choices=("fine", "vgg19"), default="fine", help="(default: %(default)s)")
    options = parser.parse_args()
    stylizer = Stylizer.load(pair=options.pair)
    contents = [load_picture(path).pixels for path in options.fit]
    tests = [center_crop(load_picture(path).pixels[0], options.size)[None] for path in options.test]
    print(f"{options.steps} steps, {len(contents)} photos to fit, {len(tests)} others, {stylizer.device}")
    print(
        "| style | style loss, plain | fitted | change | content loss, plain | fitted | change | structure | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    reached = 0
    for path in options.styles:
        image = scale_short_side(load_picture(path).pixels, STYLE_SIDE)
        begun = time.perf_counter()
        fitted = fit_style(stylizer.encoder, stylizer.decoder, [image], options.steps, contents)
        seconds = time.perf_counter() - begun
        layers = fitted.layers()
        plain = stylizer.style(image)
        wanted = [*layers[:-1], Statistics(*map(deepest, plain.statistics))]
        before, after = (
            torch.tensor([measured(stylizer, test, style, wanted) for test in tests]).mean(dim=0)
            for style in (plain, fitted)
        )
        change = 100 * (after / before - 1)
        reached += bool(change[0] <= -20 and change[1] <= 5)
        losses = (f"{before[k]:.3f} | {after[k]:.3f} | {change[k]:+.1f} %" for k in (0, 1))
        print(f"| {path.stem} | {' | '.join(losses)} | {change[2]:+.1f} % | {seconds:.0f} |", flush=True)
        if options.save is not None:
            save_style(options.save / f"{path.stem}.safetensors", fitted)
            for name, style in (("plain", plain), ("fitted", fitted)):
                save_picture(options.save / f"{path.stem}_{name}.png", Picture(stylizer.stylize(tests[0], style)))
    print(f"style loss at least 20 % less at no more than 5 % more content loss: {reached} of {len(options.styles)}")


@torch.no_grad()
def measured(stylizer: Stylizer, photo: Tensor, style: Style, wanted: list[Statistics]) -> list[float]:
    """Style loss, content loss, and the content loss of normalized features."""
    content = stylizer.encode(photo)
    target = apply_style(content, style)
    taps = stylizer.encoder.taps(stylizer.decode(target))
    structure = content_loss(normalized(taps[-1]), normalized(deepest(content.tensor)))
    return [float(style_loss(taps, wanted)), float(content_loss(taps[-1], deepest(target.tensor))), float(structure)]


def normalized(features: Tensor) -> Tensor:
    mean, std = (x[..., None, None] for x in channel_statistics(features))
    return (features - mean) / std


if __name__ == "__main__":
    main()
