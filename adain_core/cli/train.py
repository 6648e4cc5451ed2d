"""``train``: a decoder, or the light pair, from two folders of images. With torchrun, on several GPUs or machines."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from ..errors import AdaINError
from ..models.bundled import PAIRS, VGG19_ENCODER, bundled_pair, load_pair
from ..models.decoder import Decoder
from ..models.light import LightDecoder, LightEncoder
from ..models.model_files import load_vgg, load_vgg_decoder
from ..models.vgg import VGGEncoder
from ..training.config import CHOICES, RANGES, TrainingConfig
from ..training.distributed import processes_here, start_processes
from ..training.light_pair import LightPair
from ..training.optimization.schedule import parse_crop_sizes
from ..training.run.progress import TrainingProgress
from ..training.trainer import StopWaiting, Trainer

_DEFAULTS = TrainingConfig()
_LINE_EVERY = 10.0  # seconds


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "train",
        help="train a decoder on two folders of images",
        description=__doc__,
        epilog="Defaults are the paper's, but for --style-reuse. Ctrl-C and SIGTERM save a checkpoint; --resume "
        "goes on from it.",
    )
    parser.add_argument("content_folder", metavar="CONTENT_DIR", help="photographs, at any depth")
    parser.add_argument("style_folder", metavar="STYLE_DIR", help="style images, at any depth")
    parser.add_argument("-o", "--output", metavar="RUN_DIR", required=True, help="folder of this run")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in RUN_DIR, if any")
    parser.add_argument(
        "--pair",
        choices=tuple(PAIRS),
        default="vgg19",
        help="vgg19 or fine: a decoder for the encoder of that pair; light: both networks of the light pair, with the "
        "bundled VGG-19 as the judge (default: %(default)s)",
    )
    parser.add_argument(
        "--encoder",
        metavar="FILE",
        help="encoder (safetensors) in place of the pair's; light: the one to start from, with --decoder",
    )
    parser.add_argument("--decoder", metavar="FILE", help="decoder to start from (default: new weights)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that read images, for each of torchrun's (default: its share of half of the cores, at most 8)",
    )
    parser.add_argument("--license", default="", help="licence of the decoder, kept in its file")

    group = parser.add_argument_group("length and data")
    _option(group, "steps", "optimizer steps")
    _option(group, "batch_size", "pairs per step, over all processes together")
    group.add_argument(
        "--crop-size",
        dest="crop_sizes",
        default="256",
        metavar="N",
        help="pixels, or a schedule such as 0:128,20000:256 (default: %(default)s)",
    )
    group.add_argument(
        "--resize",
        type=int,
        nargs=2,
        default=_DEFAULTS.resize,
        metavar=("LOW", "HIGH"),
        help="scale images to a short side between these before cropping (default: 512 512)",
    )
    group.add_argument(
        "--augment-styles", action="store_true", help="content crops as styles, shuffled channels, inverted colours"
    )
    _option(group, "redrawn_share", "of style crops redrawn in grey, in ink, hatched or as a mosaic")
    _option(group, "style_reuse", "batches in a row with the same style crops, encoded once")
    _option(group, "seed", "of initial weights, data order and crops")

    group = parser.add_argument_group("losses")
    _option(group, "content_weight", "of the content loss")
    _option(group, "style_weight", "of the style loss")
    group.add_argument(
        "--content-layers",
        type=float,
        nargs=4,
        default=_DEFAULTS.content_layers,
        metavar="W",
        help="weights of relu1_1, relu2_1, relu3_1, relu4_1 in the content loss (default: 0 0 0 1)",
    )
    group.add_argument(
        "--style-layers",
        type=float,
        nargs=4,
        default=_DEFAULTS.style_layers,
        metavar="W",
        help="weights of relu1_1, relu2_1, relu3_1, relu4_1 in the style loss (default: 1 1 1 1)",
    )
    _option(group, "style_loss", "statistics or Gram matrices")
    _option(group, "identity_share", "share of samples with content = style")
    _option(group, "reconstruction_weight", "of their pixel error")
    _option(group, "feature_weight", "of their error at relu1_1, relu2_1, relu3_1")
    _option(group, "range_weight", "of values outside 0..1")
    _option(group, "color_weight", "of mean and standard deviation of R, G and B")
    _option(group, "grid_weight", "of what repeats with a period of 8 pixels")
    _option(group, "anchor_weight", "of the distance of 8x8 means from an anchor decoder's")
    group.add_argument("--anchor", metavar="FILE", help="the anchor decoder (default: the one of --decoder)")

    group = parser.add_argument_group("optimizer")
    _option(group, "optimizer", "Adam, or Muon for kernels")
    _option(group, "learning_rate", "at the start; with Muon a fraction of the weights' norm")
    _option(group, "schedule", "how it falls")
    _option(group, "warmup", "steps over which it rises first")
    _option(group, "decay", "of the decay schedule: 1 / (1 + decay * step)")
    _option(group, "final", "share of it at the end of the cosine schedule")
    _option(group, "clip", "largest norm of the gradient; 0: no limit")
    _option(group, "average", "decay of a running mean of the weights, which becomes the decoder; 0: the weights")
    _option(group, "precision", "of the convolutions; auto: float16 on CUDA, bfloat16 on CPUs that have it")

    group = parser.add_argument_group("an ablation of the paper")
    _option(group, "normalization", "in the decoder")
    group.add_argument("--conditioning", default="adain", help=argparse.SUPPRESS)  # an option of version 1.0.0

    group = parser.add_argument_group("files")
    _option(group, "save_every", "steps between checkpoints; 0: only at the end")
    _option(group, "preview_every", "steps between previews; 0: only at the end")
    _option(group, "keep", "checkpoints to keep")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int | None:
    if options.conditioning != "adain":
        raise AdaINError(
            f"--conditioning: expected adain, found {options.conditioning!r}; benchmarks/ablations.py trains decoders "
            "by concatenation"
        )
    options.light = options.pair == "light"
    values = {field.name: getattr(options, field.name) for field in fields(TrainingConfig)}
    values |= {
        "crop_sizes": parse_crop_sizes(options.crop_sizes),
        "resize": tuple(options.resize),
        "content_layers": tuple(options.content_layers),
        "style_layers": tuple(options.style_layers),
    }
    config = TrainingConfig(**values)
    if options.workers is not None and options.workers < 0:
        raise AdaINError(f"--workers: expected a number of at least 0, found {options.workers}")
    with start_processes(options.device) as processes:
        logging.basicConfig(
            level=logging.INFO if processes.first else logging.ERROR, format="%(message)s", stream=sys.stderr
        )
        encoder, start, anchor = _networks(options)
        trainer = Trainer(
            encoder.to(processes.device),
            config,
            options.content_folder,
            options.style_folder,
            options.output,
            start=start,
            anchor=anchor,
            resume=options.resume,
            processes=processes,
            workers=default_workers() if options.workers is None else options.workers,
            info={"license": options.license} if options.license else None,
        )
        for warning in trainer.warnings:
            logging.warning("warning: %s", warning)
        with stop_on_signals(trainer) as received:
            trainer.train(_Lines())
        if processes.first:
            _summarize(trainer)
    return 128 + received[0] if received and not trainer.done else None


def _networks(
    options: argparse.Namespace,
) -> tuple[VGGEncoder, Decoder | LightPair | None, Decoder | None]:
    """The encoder to train for, or the judge, what to start from, and the anchor."""
    if options.pair != "light":
        vgg = load_vgg(options.encoder or bundled_pair(options.pair).encoder)
        start, anchor = (
            load_vgg_decoder(path, vgg.fingerprint) if path else None for path in (options.decoder, options.anchor)
        )
        return vgg, start, anchor
    if bool(options.encoder) != bool(options.decoder) or options.anchor:
        raise AdaINError("--pair light: expected --encoder and --decoder to start from, or neither, and no --anchor")
    pair = None
    if options.encoder:
        encoder, decoder = load_pair(options.encoder, options.decoder)
        if not isinstance(encoder, LightEncoder) or not isinstance(decoder, LightDecoder):
            raise AdaINError(f"--encoder: expected a light encoder to start from, found a {encoder.architecture} one")
        pair = LightPair()
        pair.encoder, pair.decoder = encoder, decoder
    return load_vgg(VGG19_ENCODER), pair, None


def default_workers() -> int:
    """This process's share of half of the cores: the other half computes, or feeds the GPUs."""
    return max(1, min(8, (os.cpu_count() or 2) // (2 * processes_here())))


@contextmanager
def stop_on_signals(trainer: Trainer) -> Iterator[list[int]]:
    """Lets Ctrl-C and SIGTERM end the training after the present step; a second Ctrl-C ends the process.

    SIGTERM may come several times: a scheduler sends it to all processes, and torchrun or timeout sends it on.

    A wait for a batch ends at once: the worker processes may hang.

    Yields:
        The signals received so far.
    """
    received: list[int] = []

    def stop(number: int, _frame: object) -> None:
        received.append(number)
        trainer.request_stop()
        if number == signal.SIGINT:
            signal.signal(number, previous[number])
        if trainer.waiting:
            trainer.waiting = False  # once: while it ends the workers, another signal must not end that
            raise StopWaiting

    previous: dict[int, Any] = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Lines:
    """A line about the progress every few seconds."""

    def __init__(self) -> None:
        self.last = 0.0

    def __call__(self, progress: TrainingProgress) -> None:
        now = time.monotonic()
        if now - self.last >= _LINE_EVERY or progress.step == progress.steps:
            self.last = now
            logging.info("%s", progress)


def _summarize(trainer: Trainer) -> None:
    if trainer.skipped:
        logging.info("skipped %d image files:", len(trainer.skipped))
        for path, reason in sorted(trainer.skipped.items()):
            logging.info("  %s: %s", path, reason)
    if trainer.evaluation is not None:
        logging.info("reconstruction (content = style): PSNR %.2f dB", trainer.evaluation.psnr)
    state = "done" if trainer.done else f"stopped; --resume goes on from step {trainer.step}"
    print(f"{trainer.folder.decoder}: {trainer.step} of {trainer.config.steps} steps, {state}")


def _option(group: argparse._ArgumentGroup, name: str, text: str) -> None:
    """An option for a field of `TrainingConfig`, with the values it may have."""
    default = getattr(_DEFAULTS, name)
    choices = CHOICES.get(name)
    limits = f"{RANGES[name].limits}; " if name in RANGES else ""
    group.add_argument(
        f"--{name.replace('_', '-')}",
        type=type(default),
        default=default,
        choices=choices,
        metavar=None if choices else "N",
        help=f"{text} ({limits}default: %(default)s)",
    )
