"""Options that several commands share: which models, on which device."""

from __future__ import annotations

import argparse

from ..stylizer import Stylizer


def add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--encoder", metavar="FILE", help="encoder (safetensors); default: the bundled VGG-19")
    parser.add_argument("--decoder", metavar="FILE", help="decoder trained for the encoder; default: the bundled one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")


def load_stylizer(options: argparse.Namespace) -> Stylizer:
    return Stylizer.load(options.encoder, options.decoder, options.device)
