"""Options that several commands share: which models, on which device."""

from __future__ import annotations

import argparse
import re

from ..devices import PRECISIONS
from ..errors import AdaINError
from ..images.color import METHODS, ColorMatch
from ..inference.stylizer import Stylizer
from ..models.bundled import DEFAULT_PAIR, PAIRS


def add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pair",
        choices=tuple(PAIRS),
        default=DEFAULT_PAIR,
        help="bundled models: fine keeps fine detail, vgg19 is the paper's, light is several times as fast (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--encoder", metavar="FILE", help="encoder (safetensors); default: the pair's, or the decoder's"
    )
    parser.add_argument(
        "--decoder", metavar="FILE", help="decoder trained for the encoder; default: the pair's, or the encoder's"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")


def add_precision_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        default="auto",
        help=f"{', '.join(PRECISIONS)}: what to compute in; auto: float16 on CUDA, float32 elsewhere",
    )


def load_stylizer(options: argparse.Namespace, precision: str = "float32") -> Stylizer:
    return Stylizer.load(options.encoder, options.decoder, options.device, precision, options.pair)


_AMOUNT = re.compile(r"(\d+\.?\d*)\s*(?:([KMGT])?(?:I?B)?)")


def parse_bytes(text: str) -> int:
    """Bytes from ``2G``, ``1.5GiB``, ``512M`` or a plain number; units are powers of 1024.

    Raises:
        AdaINError: anything else.
    """
    match = _AMOUNT.fullmatch(text.strip().upper())
    if not match:
        raise AdaINError(f"memory: expected an amount such as 2G or 512M, found {text!r}")
    number, unit = match.groups()
    return int(float(number) * 1024 ** " KMGT".index(unit or " "))


def add_style_size_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--style-size",
        type=int,
        default=512,
        metavar="N",
        help="scale style images to this short side, which sets the size of the strokes; 0: as they are "
        "(default: %(default)s)",
    )


def add_color_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preserve-color", action="store_true", help="keep the content's colours")
    group = parser.add_argument_group("how colours are kept; each implies --preserve-color")
    group.add_argument("--color-method", choices=METHODS, help=f"luminance: with --color-after (default: {METHODS[0]})")
    group.add_argument("--color-strength", type=float, metavar="S", help="0: not at all, 1: in full (default: 1)")
    group.add_argument(
        "--color-after",
        action="store_true",
        help="match the colours of the result, in place of those of the style image before stylizing",
    )


def preserves_color(options: argparse.Namespace) -> bool:
    """Whether any of `add_color_options` is given."""
    given = options.color_method is not None or options.color_strength is not None
    return bool(options.preserve_color or options.color_after or given)


def color_match(options: argparse.Namespace) -> ColorMatch:
    """As `add_color_options` has it; AdaINError as `ColorMatch`."""
    strength = 1.0 if options.color_strength is None else options.color_strength
    return ColorMatch(options.color_method or METHODS[0], strength, options.color_after)


def add_detail_size_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--detail-size",
        type=int,
        default=0,
        metavar="N",
        help="take the content's statistics at this short side: one below the content's calms fine detail; 0: as it is "
        "(default: %(default)s)",
    )


def add_refine_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--refine",
        type=int,
        default=0,
        metavar="N",
        help="steps of gradient descent after the decoder: 10 bring colours and texture much closer to the style, each "
        "takes several times as long as the decoder; with the pairs fine and vgg19 (default: %(default)s)",
    )
