"""``batch``: every image of a folder in random styles, for stylized data sets.

An image's styles depend on the seed, its own name and the style images. After an interruption the same command goes on.
Outputs are OUT/sub/NAME.EXT-stylized-K-STYLE.FORMAT, K counting the styles of one image; OUT/batch.json has the
settings, OUT/failures.json what could not be made and why, and styles that
cannot be read: others take their place. Other files in OUT are never replaced. Only one run at a time works in OUT.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from ..devices import parse_device, parse_precision
from ..errors import AdaINError
from ..locks import FolderLock
from ..stylized_datasets.folder import (
    FAILURES_FILE,
    check_output_folder,
    remove_partial_files,
    unreadable_styles,
    write_failures,
)
from ..stylized_datasets.plan import FORMATS, Settings, missing, plan, relative_images
from ..stylized_datasets.stylize import DatasetStylizer, Failure
from .options import add_model_options, add_precision_option, add_style_size_option, load_stylizer

ALL_FAILED = 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("batch", help="stylize a whole data set", description=__doc__)
    parser.add_argument("content_folder", metavar="CONTENT_DIR", help="images to stylize, at any depth")
    parser.add_argument("style_folder", metavar="STYLE_DIR", help="style images, at any depth")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="folder of the results")
    parser.add_argument(
        "--styles-per-image", type=int, default=1, metavar="N", help="styles for each image (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random choice (default: %(default)s)")
    parser.add_argument(
        "--alpha",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="A",
        help="0: content, 1: style; two values: drawn between them for each result (default: 1.0)",
    )
    add_style_size_option(parser)
    parser.add_argument(
        "--size",
        type=int,
        default=0,
        metavar="N",
        help="scale content images to this short side in pixels; 0: not scaled (default: %(default)s)",
    )
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="default: %(default)s")
    parser.add_argument("--preserve-color", action="store_true", help="keep the content's colours")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="images worked on at the same time (default: one per core)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="work on a Ray cluster: local, auto or ray://HOST:PORT; one worker per GPU, else --workers on CPUs; every "
        "machine must see the folders under the same paths",
    )
    add_model_options(parser)
    add_precision_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if len(options.alpha) > 2:
        raise AdaINError(f"--alpha: expected one value or two, found {len(options.alpha)}")
    if options.workers is not None and options.workers < 1:
        raise AdaINError(f"--workers: expected at least 1, found {options.workers}")
    settings = Settings(
        Path(options.content_folder),
        Path(options.style_folder),
        Path(options.output),
        styles_per_image=options.styles_per_image,
        seed=options.seed,
        alpha=(options.alpha[0], options.alpha[-1]),
        style_size=options.style_size,
        size=options.size,
        format=options.format,
        preserve_color=options.preserve_color,
    )
    styles = relative_images(settings.style_folder)
    failures = unreadable_styles(settings)
    unreadable = _styles_of(failures)
    outputs = {image: plan(settings, image, styles, unreadable) for image in relative_images(settings.content_folder)}
    todo = {image: left for image, targets in outputs.items() if (left := missing(settings, targets))}
    start = time.time()
    with ExitStack() as stack:
        if options.cluster:
            from ..stylized_datasets.ray_cluster import connected, has_gpus, run_on_cluster

            stack.enter_context(connected(options.cluster))
            device = torch.device("cuda" if options.device != "cpu" and has_gpus() else "cpu")
            options.device = "cpu"  # here the models are only read
        else:
            device = parse_device(options.device)
        precision = str(parse_precision(options.precision, device)).removeprefix("torch.")
        settings = replace(settings, precision=precision)
        stylizer = load_stylizer(options, precision)
        work = DatasetStylizer(stylizer, settings, styles, unreadable)
        results: Iterator[list[Failure]] = iter(())
        if options.cluster and todo:
            results = run_on_cluster(work, list(todo), options.workers, device.type == "cuda")
        elif todo:
            results = work.run(todo, options.workers or work.thread_count(todo))
        stack.callback(FolderLock(settings.output_folder).release)
        check_output_folder(settings, stylizer, (target.output for each in outputs.values() for target in each))
        try:
            for found in tqdm(results, total=len(todo), desc="batch", unit="image"):
                failures += found
        finally:
            write_failures(settings, failures)
    remove_partial_files(settings, start)
    there = sum(map(len, outputs.values())) - sum(map(len, todo.values()))
    unreadable = _styles_of(failures)
    failed = sum(len(missing(settings, plan(settings, image, styles, unreadable))) for image in todo)
    written = sum(map(len, todo.values())) - failed
    report = f": {settings.output_folder / FAILURES_FILE}" if failed else ""
    print(f"{written} written, {there} already there, {failed} failed{report}")
    if unreadable:
        print(f"styles that cannot be read, others took their place: {', '.join(sorted(unreadable))}")
    return ALL_FAILED if failed and not written and not there else 0


def _styles_of(failures: Iterable[Failure]) -> set[str]:
    """The styles that cannot be read."""
    return {each["style"] for each in failures if each["image"] is None and each["style"]}
