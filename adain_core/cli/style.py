"""``style``: makes, lists, shows, mixes and joins style files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image
from torch import Tensor
from tqdm import tqdm

from ..errors import AdaINError
from ..files import check_not_read, check_output
from ..images.files import Picture, check_writable, load_picture, save_picture, scaled, to_image, to_tensor
from ..images.folders import list_images, readable_pictures
from ..images.resize import scale_short_side
from ..inference.stylizer import Stylizer
from ..method.style import Style, check_style_size, mix
from ..method.style_arithmetic import extrapolate
from ..method.style_bank import joined, row
from ..models.bundled import pairs_for_styles_of
from ..models.style_files import load_thumbnail, save_style
from ..models.style_library import ENDING, LIBRARY, file_of, read_style, read_styles
from ..models.tensor_files import read_metadata
from .options import add_model_options, add_style_size_option, load_stylizer

_PHOTO_SIDE = 256  # pixels, the short side of the photo that the thumbnail is made of


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("style", help="make, list, show, mix and join style files", description=__doc__)
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    action = actions.add_parser(
        "make",
        help="a style file of one image or of many",
        description="Makes a style file. Of several images the statistics are taken over all their pixels together. Of "
        "a folder's, those that cannot be read are left out.",
    )
    action.add_argument("images", metavar="IMAGE", nargs="+", help="images, or folders of images at any depth")
    add_style_size_option(action)
    _add_file_options(action)
    action.set_defaults(run=make)

    action = actions.add_parser("list", help="the library's styles, or those of folders")
    action.add_argument("folders", metavar="FOLDER", nargs="*", help="folders with style files; default: the library")
    action.set_defaults(run=list_styles)

    action = actions.add_parser("show", help="what a style file says, and its thumbnail")
    action.add_argument(
        "style",
        metavar="STYLE",
        help=f"style file, or name{ENDING} of the library's; bank{ENDING}:0 is the first of a bank's",
    )
    action.add_argument("-o", "--output", metavar="OUT", help="write the thumbnail to this file, .png or .jpg")
    action.set_defaults(run=show)

    action = actions.add_parser(
        "mix",
        help="one style of several",
        description="Mixes style files. With weights below 0 and above 1 styles are exaggerated: --weights 1.5 -0.5 "
        "goes beyond the first, away from the second.",
    )
    action.add_argument(
        "styles",
        metavar="STYLE",
        nargs="+",
        help=f"style files, or names{ENDING} of the library's; bank{ENDING}:0 is the first of a bank's",
    )
    action.add_argument("--weights", type=float, nargs="+", metavar="W", help="one per style (default: equal)")
    _add_file_options(action)
    action.set_defaults(run=mixed)

    action = actions.add_parser(
        "join",
        help="a bank of several styles in one file",
        description=f"Joins style files into a bank. NAME{ENDING}:0 is the first of its styles wherever style files "
        "are taken.",
    )
    action.add_argument(
        "styles",
        metavar="STYLE",
        nargs="+",
        help="style files, or names of the library's; of a bank all its styles, or the one whose number follows: "
        f"bank{ENDING}:0",
    )
    _add_file_options(action)
    action.set_defaults(run=join)


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help=f"style file, {ENDING}")
    parser.add_argument("--name", help="kept in the file; default: the file's name")
    parser.add_argument("--author", default="", help="who made the style, kept in the file")
    parser.add_argument("--license", default="", help="its licence, kept in the file")
    parser.add_argument("--thumbnail", metavar="PHOTO", help="keep this photo in that style, scaled down, in the file")
    add_model_options(parser)


def make(options: argparse.Namespace) -> None:
    _check_files(options)
    check_style_size(options.style_size)
    given = [(path, list_images(path) if path.is_dir() else None) for path in map(Path, options.images)]
    stylizer = load_stylizer(options)
    skipped: dict[str, str] = {}
    style = stylizer.pooled_style(_read(given, options.style_size, skipped))
    for path, reason in skipped.items():
        print(f"skipped {path}: {reason}", file=sys.stderr)
    _save(options, stylizer, style)


def list_styles(options: argparse.Namespace) -> None:
    for folder in map(Path, options.folders or [LIBRARY]):
        if not folder.is_dir():
            raise AdaINError(
                f"{folder}: expected a folder of style files, found {'a file' if folder.exists() else 'nothing'}"
            )
        for path in sorted(folder.rglob(f"*{ENDING}")):
            try:
                info = read_metadata(path)
            except AdaINError as error:  # the others are listed all the same
                print(f"warning: {error}", file=sys.stderr)
                continue
            if info.get("kind") == "style":
                said = (info.get(key) for key in ("name", "author", "license"))
                print("\t".join([str(path.relative_to(folder)), *(text or "-" for text in said)]))


def show(options: argparse.Namespace) -> None:
    path, style = file_of(options.style), read_styles(options.style)
    for key, text in {"file": str(path), **style.info, "pair": _pair_of(style)}.items():
        print(f"{key}: {text}")
    print(f"styles: {style.batch}" if style.batch > 1 else f"channels: {style.statistics.mean.shape[1]}")
    print(f"layers: {'1 (cannot be refined toward)' if style.shallow is None else len(style.layers())}")
    picture = load_thumbnail(path)
    if options.output:
        if picture is None:
            raise AdaINError(f"{path}: expected a thumbnail in it, found none")
        save_picture(check_writable(options.output), Picture(to_tensor(picture)))
    elif picture is not None:
        print(f"thumbnail: {picture.width}x{picture.height} pixels")


def mixed(options: argparse.Namespace) -> None:
    _check_files(options)
    check_not_read(options.output, map(file_of, options.styles))
    styles = [read_style(path) for path in options.styles]
    weights = options.weights or [1.0] * len(styles)
    # Within 0..1 as everywhere else; beyond, deviations need their logarithm to stay above 0.
    style = extrapolate(styles, weights) if min(weights) < 0 else mix(styles, weights)
    _save(options, load_stylizer(options) if options.thumbnail else None, style)


def join(options: argparse.Namespace) -> None:
    _check_files(options)
    check_not_read(options.output, map(file_of, options.styles))
    bank = joined([read_styles(path) for path in options.styles])
    _save(options, load_stylizer(options) if options.thumbnail else None, bank)


def _read(
    given: Sequence[tuple[Path, Sequence[Path] | None]], side: int, skipped: dict[str, str]
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The images, and those of folders that can be read."""
    count = sum(1 if paths is None else len(paths) for _, paths in given)
    with tqdm(desc="images", total=count, disable=count < 2) as bar:
        for path, paths in given:
            if paths is None:
                pictures = iter([scaled(load_picture(path), side)])
            else:
                pictures = readable_pictures(paths, side, str(path), skipped)
            for picture in pictures:
                yield picture.filled, picture.weights
                bar.update()


def _check_files(options: argparse.Namespace) -> None:
    """Raises AdaINError for what would fail at the end."""
    path = Path(options.output)
    if path.suffix.lower() != ENDING:
        raise AdaINError(f"{path}: expected a name that ends in {ENDING}")
    check_output(path)
    if options.thumbnail:
        load_picture(options.thumbnail)


def _save(options: argparse.Namespace, stylizer: Stylizer | None, style: Style) -> None:
    picture = None if stylizer is None or not options.thumbnail else _thumbnail(stylizer, style, options.thumbnail)
    info = {"name": options.name or Path(options.output).stem, "author": options.author, "license": options.license}
    save_style(options.output, replace(style, info=info), picture)


def _thumbnail(stylizer: Stylizer, style: Style, photo: str) -> Image.Image:
    pixels = scale_short_side(load_picture(photo).filled, _PHOTO_SIDE)
    return to_image(stylizer.stylize(pixels, row(style, 0))[0])  # of a bank in its first style


def _pair_of(style: Style) -> str:
    """The bundled pairs that a style is for, or its encoder's fingerprint."""
    return ", ".join(pairs_for_styles_of(style.encoder_id)) or f"of another encoder, {style.encoder_id}"
