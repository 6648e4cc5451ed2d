"""What steps of refining bring: the paper's losses, a judge, seconds a step, peak memory.

python -m benchmarks.refinement PAIRS.csv [--sizes 256 512] [--steps 5 10 20 50] [--precision bfloat16] [--judge FILE]
    [--pair vgg19] [--save FOLDER]

PAIRS.csv: lines of a photo's and a painting's path. The judge is a Python file with ``features(images)``,
``style_distance(output, style)`` and ``content_distance(output, content)`` of what that gives; lower is better.
Pictures are scaled to the short side, sides cropped to multiples of 8, results rounded to 8 bits.
"""

from __future__ import annotations

import argparse
import csv
import resource
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from adain_core import Stylizer
from adain_core.comparison.measures import load_judge
from adain_core.images.files import Picture, load_picture, save_picture
from adain_core.images.resize import scale_short_side
from adain_core.inference.applications import Application
from adain_core.inference.pipeline import apply_style
from adain_core.inference.refinement import refinement_goals
from adain_core.method.features import STRIDE, Features, deepest
from adain_core.method.losses import content_loss, style_terms
from adain_core.method.normalization import Statistics

_LEVELS = 255  # of 8 bits


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", metavar="PAIRS.csv", type=Path)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[512], help="short sides, pixels (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 10, 20, 50], help="(default: %(default)s)")
    parser.add_argument("--precision", default="float32", help="(default: %(default)s)")
    parser.add_argument("--judge", type=Path, metavar="FILE")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="for the pictures")
    parser.add_argument("--pair", choices=("fine", "vgg19"), default="fine", help="(default: %(default)s)")
    options = parser.parse_args()
    judge = None if options.judge is None else load_judge(options.judge)
    stylizer = Stylizer.load(precision=options.precision, pair=options.pair)
    pairs = list(csv.reader(options.pairs.open()))
    computed = f"{stylizer.device}, {options.precision}, {torch.get_num_threads()} threads"
    print(f"{len(pairs)} pairs, models {options.pair}, {computed}")
    print(
        "| pixels | steps | judge: style | content | content loss | style losses, relu1_1 to relu4_1 | seconds a step |"
    )
    print("|---|---|---|---|---|---|---|")
    before = peak()
    for size in options.sizes:
        found = defaultdict(list)
        seconds = []
        for k, paths in enumerate(pairs):
            content, style = (prepared(path, size) for path in paths)
            known = stylizer.style(style, layers=True)
            target = apply_style(stylizer.encode(content), known)
            start = stylizer.decode(target)
            pictures = {0: start.clone()}
            clock = [time.perf_counter()]

            def keep(picture: Tensor, pictures: dict[int, Tensor] = pictures, clock: list[float] = clock) -> None:
                clock.append(time.perf_counter())
                if len(clock) - 1 in options.steps:
                    pictures[len(clock) - 1] = picture.clone()

            goals = refinement_goals(target, [Application(known)])
            stylizer.refine(start, target, goals, max(options.steps), show=keep)
            seconds.append((clock[-1] - clock[0]) / max(options.steps))
            seen = None if judge is None else (judge.features(like(style, content)), judge.features(content))
            for steps, picture in pictures.items():
                picture = (picture.cpu() * _LEVELS).round() / _LEVELS
                judged = [float("nan")] * 2
                if judge is not None and seen is not None:
                    own = judge.features(picture)
                    judged = [judge.style_distance(own, seen[0]), judge.content_distance(own, seen[1])]
                found[steps].append([*judged, *losses(stylizer, picture, target, goals[0].layers)])
                if options.save is not None:
                    save_picture(options.save / f"{size}_{k}_{steps}.png", Picture(picture))
        for steps, rows in found.items():
            style, content, loss, *terms = torch.tensor(rows).mean(dim=0).tolist()
            print(
                f"| {size} | {steps} | {style:.4f} | {content:.4f} | {loss:.2f} | "
                f"{' '.join(f'{term:.3f}' for term in terms)} | {sum(seconds) / len(seconds):.2f} |",
                flush=True,
            )
        print(f"peak memory at {size} pixels: {(peak() - before) / 2**20:.0f} MiB more than at the start", flush=True)


def prepared(path: str, size: int) -> Tensor:
    """A picture at that short side, its sides multiples of 8, ``[1, 3, H, W]``."""
    pixels = scale_short_side(load_picture(path).pixels, size).clamp(0, 1)
    height, width = (side // STRIDE * STRIDE for side in pixels.shape[2:])
    return pixels[..., :height, :width]


def like(style: Tensor, content: Tensor) -> Tensor:
    """The painting stretched to the photo's size: the judge's features depend on it."""
    return F.interpolate(style, content.shape[2:], mode="bicubic", antialias=True).clamp(0, 1)


def losses(stylizer: Stylizer, picture: Tensor, target: Features, layers: Sequence[Statistics]) -> list[float]:
    """Eq. 12, and the layers' terms of eq. 13."""
    taps = stylizer.encoder.taps(picture.to(target.tensor))
    return [float(content_loss(taps[-1], deepest(target.tensor))), *map(float, style_terms(taps, layers))]


def peak() -> int:
    """Most bytes that this process, or its GPU memory, has taken so far."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


if __name__ == "__main__":
    main()
