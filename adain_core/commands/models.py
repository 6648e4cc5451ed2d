"""Options that several commands share: which models, on which device."""

from __future__ import annotations

import argparse

from ..devices import PRECISIONS
from ..stylizer import Stylizer


def add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encoder", metavar="FILE", help="encoder (safetensors); default: the bundled VGG-19")
    parser.add_argument("--decoder", metavar="FILE", help="decoder trained for the encoder; default: the bundled one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")


def add_precision_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        default="auto",
        help=f"{', '.join(PRECISIONS)}: what to compute in; auto: float16 on CUDA, float32 elsewhere",
    )


def load_stylizer(options: argparse.Namespace, precision: str = "float32") -> Stylizer:
    return Stylizer.load(options.encoder, options.decoder, options.device, precision)
