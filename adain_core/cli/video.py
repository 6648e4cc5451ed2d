"""``video``: a video in one style, a mix of several, or styles that change over time."""

from __future__ import annotations

import argparse
import sys

from torch import Tensor
from tqdm import tqdm

from ..errors import AdaINError
from ..files import check_not_read
from ..images.files import load_mask
from ..inference.stylize_file import load_styles
from ..inference.stylizer import Stylizer
from ..method.style import Style, check_style_size
from ..models.style_library import is_style_file, read_style
from ..video.animation import open_video
from ..video.job import VideoJob
from ..video.reader import FrameReader
from .options import (
    add_detail_size_option,
    add_model_options,
    add_precision_option,
    add_refine_option,
    add_style_size_option,
    load_stylizer,
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "video",
        help="stylize a video",
        description=__doc__,
        epilog="Sound, time stamps, colour space, pixel aspect and rotation stay as they are; colours of high dynamic "
        "range or wide gamut (HLG, PQ, BT.2020, P3) become those of BT.709. Finished segments are kept in OUT.parts "
        "until the video is complete: after an interruption the same command goes on from there. Animations keep their "
        "times, how often they are shown, and in .gif and .webp their transparency; elsewhere they are on white.",
    )
    parser.add_argument("source", metavar="VIDEO", help="video of any format FFmpeg reads, GIF, animated WebP or PNG")
    parser.add_argument(
        "styles",
        metavar="STYLE",
        nargs="+",
        help="style image, style file, or name.safetensors of the library's, bank.safetensors:0 for the first of a "
        "bank's; several are mixed evenly, or: --keys",
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", required=True, help="result: .mp4, .mov or .mkv (H.264), .gif, .webp"
    )
    parser.add_argument("--alpha", type=float, default=1.0, help="0: content, 1: style (default: %(default)s)")
    parser.add_argument(
        "--keys",
        type=int,
        nargs="+",
        metavar="FRAME",
        help="one per style: the frame, counted from 0, at which it is reached; in between styles blend",
    )
    parser.add_argument(
        "--mask",
        metavar="M",
        help="where to stylize (white): an image, or a video or animation with a mask for each frame",
    )
    parser.add_argument(
        "--preserve-color", action="store_true", help="give the style images each frame's colours; slower"
    )
    add_style_size_option(parser)
    add_detail_size_option(parser)
    parser.add_argument(
        "--crf",
        type=float,
        default=18,
        metavar="Q",
        help="quality, 0: best, 51: worst; a GIF has none (default: %(default)s)",
    )
    parser.add_argument(
        "--smooth",
        type=float,
        default=0.0,
        metavar="S",
        help="less flicker: how much each frame keeps of those before it in the scene, up to 1; about 0.5 does well "
        "(default: %(default)s). Without --flow it helps where a part of the picture changes, harms where the light of "
        "the whole picture flickers, and does little elsewhere",
    )
    parser.add_argument(
        "--flow",
        action="store_true",
        help="with --smooth: also along the optical flow, which does most of the smoothing",
    )
    add_refine_option(parser)
    parser.add_argument(
        "--compile",
        action="store_true",
        help="for long videos on CUDA: compile the models for the frames' size first, which takes a minute or so",
    )
    add_model_options(parser)
    add_precision_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    check_style_size(options.style_size)
    check_not_read(options.output, [*options.styles, *([options.mask] if options.mask else [])])
    stylizer = load_stylizer(options, options.precision)
    styles, style_masks = zip(*(_style(stylizer, path, options.style_size) for path in options.styles), strict=True)
    job = VideoJob(
        stylizer,
        options.source,
        options.output,
        styles,
        keys=options.keys,
        alpha=options.alpha,
        crf=options.crf,
        smooth=options.smooth,
        flow=options.flow,
        compile=options.compile,
        refine=options.refine,
        detail_size=options.detail_size,
        mask=None if options.mask is None else _mask(options.mask),
        preserve_color=options.preserve_color,
        style_masks=style_masks,
    )
    if job.reader.remark:
        print(f"warning: {options.source}: {job.reader.remark}", file=sys.stderr)
    if options.compile and stylizer.device.type == "cpu":
        print("warning: --compile: on a processor the first frame takes a minute, and little is won", file=sys.stderr)
    with tqdm(desc="video", unit=" frames", initial=job.done, total=job.total) as bar:
        job.run(lambda done, total: bar.update(done - bar.n))
        bar.total = bar.n
    if job.sound_left_out:
        which = "that an animation does not hold" if job.animated else "of an unknown kind"
        print(
            f"warning: {options.source}: sound tracks {which}, left out: {job.sound_left_out}",
            file=sys.stderr,
        )
    if job.damaged:
        print(f"warning: {options.source}: {job.damaged} packets cannot be decoded and were left out", file=sys.stderr)


def _style(stylizer: Stylizer, path: str, side: int) -> tuple[Tensor | Style, Tensor | None]:
    """A style, and of an image how much its pixels count."""
    if is_style_file(path):
        return read_style(path, stylizer.encoder.fingerprint), None
    (picture,) = load_styles([path], side)
    return picture.filled, None if picture.weights is None else picture.weights[None]


def _mask(path: str) -> Tensor | FrameReader:
    """One for all frames, or one for each."""
    try:
        return load_mask(path)
    except AdaINError as error:
        try:
            return open_video(path)
        except AdaINError:
            raise error from None
