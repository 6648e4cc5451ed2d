"""Stylized data sets: every image of a folder in random styles, as Stylized-ImageNet is made.

Geirhos et al., "ImageNet-trained CNNs are biased towards texture" (arXiv:1811.12231). Which styles an image gets
follows from the seed, its own name and the style images alone: the work can be split, stopped and repeated at will.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import re
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from .adain import check_alpha
from .checkpoint import fingerprint
from .dataset import list_images, listing_fingerprint
from .errors import AdaINError
from .files import atomic_write, check_folder
from .images import Picture, count_pixels, load_picture, save_picture, scale_short_side
from .memory import budget, picture_memory, whole_memory
from .pipeline import apply_style
from .style import Style
from .stylizer import Stylizer

FORMATS = ("jpg", "png")
SETTINGS_FILE = "batch.json"
FAILURES_FILE = "failures.json"
_STYLES_KEPT = 4096  # 4 KB each
GPU_THREADS = 3  # one reads, one computes, one writes
# Pixels. Never by how much memory is free, which others change meanwhile: results would differ in their last bits.
_TILE_SIZE = 2048
_WIDEST = 2  # times as long as short: usual images, when it is reckoned how many fit into memory
_LABEL = 40  # characters of the style's name in an output's
_NAME = 240  # bytes of an output's name; file systems take 255, of which the temporary file's name needs some

# What could not be made: the content image, the style image (None when the content image is at fault) and the reason.
Failure = dict[str, str | None]


@dataclass(frozen=True)
class Settings:
    """What a stylized data set is made of.

    Attributes:
        content_folder, style_folder: images at any depth.
        output_folder: gets the content's folder structure.
        styles_per_image: how many different styles each image gets.
        seed: another one, another choice.
        alpha: least and greatest content-style trade-off, 0..1; drawn evenly for each output.
        style_size: short side of style images in pixels, 0: as they are.
        size: the same for content images, and so for the outputs.
        format: ``jpg`` or ``png``.
        preserve_color: see `adain_core.stylizer.Stylizer.stylize`.
        precision: what is computed in, ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        AdaINError: a value outside these ranges, outputs among the images, or an output folder that cannot be made.
    """

    content_folder: Path
    style_folder: Path
    output_folder: Path
    styles_per_image: int = 1
    seed: int = 0
    alpha: tuple[float, float] = (1.0, 1.0)
    style_size: int = 512
    size: int = 0
    format: str = "jpg"
    preserve_color: bool = False
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("content_folder", "style_folder", "output_folder"):
            object.__setattr__(self, name, Path(getattr(self, name)).resolve())
        if self.styles_per_image < 1:
            raise AdaINError(f"styles per image: expected at least 1, found {self.styles_per_image}")
        for value in self.alpha:
            check_alpha(value)
        if self.alpha[0] > self.alpha[1]:
            raise AdaINError(f"alpha: expected the lower limit first, found {self.alpha[0]} and {self.alpha[1]}")
        if self.style_size < 0 or self.size < 0:
            raise AdaINError(f"sizes: expected 0 or more pixels, found {min(self.style_size, self.size)}")
        if self.format not in FORMATS:
            raise AdaINError(f"format: expected one of {', '.join(FORMATS)}, found {self.format!r}")
        for folder in (self.content_folder, self.style_folder):
            if self.output_folder.is_relative_to(folder):
                raise AdaINError(f"{self.output_folder}: expected a folder outside {folder}, found one inside")
        check_folder(self.output_folder)


@dataclass(frozen=True)
class Target:
    """One output.

    Attributes:
        style: style image, relative to its folder.
        alpha: content-style trade-off.
        output: relative to the output folder.
    """

    style: str
    alpha: float
    output: str


def relative_images(folder: Path) -> list[str]:
    """`list_images` relative to the folder, with forward slashes."""
    return [path.relative_to(folder).as_posix() for path in list_images(folder)]


def plan(settings: Settings, image: str, styles: Sequence[str]) -> list[Target]:
    """The outputs of one content image: a function of the seed, its name and the style images.

    Outputs are named ``sub/NAME.EXT-stylized-K-STYLE.FORMAT``: the content's whole name, so that a.jpg and a.png stay
    apart; K counts the image's styles from 1, so that styles of one name in different folders do. A NAME.EXT too long
    for that is cut, with a hash of it.

    Args:
        settings: of the data set.
        image: relative to the content folder.
        styles: relative to the style folder.

    Raises:
        AdaINError: fewer style images than each image shall get.
    """
    if settings.styles_per_image > len(styles):
        raise AdaINError(
            f"styles per image: expected at most the number of style images, {len(styles)}, "
            f"found {settings.styles_per_image}"
        )
    # Of Python's generators only random() is promised to stay the same in later versions.
    chance = random.Random(repr((settings.seed, image)))
    low, high = settings.alpha
    chosen: dict[str, float] = {}
    while len(chosen) < settings.styles_per_image:
        style, share = styles[int(chance.random() * len(styles))], chance.random()
        chosen.setdefault(style, low + (high - low) * share)
    return [
        Target(style, alpha, _output(image, f"-stylized-{number}-{_label(style)}.{settings.format}"))
        for number, (style, alpha) in enumerate(chosen.items(), 1)
    ]


def _output(image: str, ending: str) -> str:
    folder, slash, name = image.rpartition("/")
    room = _NAME - len(os.fsencode(ending))
    given = os.fsencode(name)
    if len(given) > room:
        mark = "~" + hashlib.sha256(given).hexdigest()[:8]
        name = given[: room - len(mark)].decode("utf-8", "ignore") + mark
    return folder + slash + name + ending


def _label(style: str) -> str:
    """A style image's name in letters, digits and underscores: "-stylized-" comes last once in every output's name."""
    return re.sub(r"\W+", "_", Path(style).stem)[:_LABEL]


def missing(settings: Settings, targets: Iterable[Target]) -> list[Target]:
    """The outputs that are not there yet. Files are written whole, so whatever is there is finished."""
    return [target for target in targets if not (settings.output_folder / target.output).exists()]


class DatasetStylizer:
    """Makes the outputs of content images, one image at a time.

    Args:
        stylizer: the models.
        settings: of the data set.
        styles: style images, relative to their folder: all of them, since the choice depends on it.
    """

    def __init__(self, stylizer: Stylizer, settings: Settings, styles: Sequence[str]) -> None:
        self.stylizer = stylizer
        self.settings = settings
        self.styles = styles
        self._style = functools.lru_cache(_STYLES_KEPT)(self._encode_style)
        # On a GPU one computes at a time: what several need would add up.
        self._turn: AbstractContextManager = threading.Lock() if stylizer.device.type == "cuda" else nullcontext()

    def __call__(self, image: str) -> list[Failure]:
        """Makes an image's missing outputs. Whatever goes wrong with one is returned and does not stop the others."""
        try:
            targets = missing(self.settings, plan(self.settings, image, self.styles))
            if not targets:
                return []
            content = _scaled(load_picture(self.settings.content_folder / image), self.settings.size)
            with self._turn:
                features = self.stylizer.encode(content.pixels, tile_size=_TILE_SIZE)
        except Exception as error:
            return [_failure(image, None, error)]
        failures = []
        for target in targets:
            try:
                recolor = self.settings.preserve_color
                style = self._encode_style(target.style, content.pixels) if recolor else self._style(target.style)
                with self._turn:
                    styled = apply_style(features, style, target.alpha)
                    result = self.stylizer.decode(styled, tile_size=_TILE_SIZE).cpu()
                save_picture(self.settings.output_folder / target.output, replace(content, pixels=result))
            except Exception as error:
                failures.append(_failure(image, target.style, error))
        return failures

    def run(self, images: Iterable[str], workers: int) -> Iterator[list[Failure]]:
        """The failures of each image, in order, made by that many threads.

        Each image is computed by one thread, on the CPU by one core: nothing waits for files, and the number of cores
        cannot change a result.
        """
        before = torch.get_num_threads()
        pool = ThreadPoolExecutor(workers, "adain-batch", initializer=torch.set_num_threads, initargs=(1,))
        waiting: deque[Future[list[Failure]]] = deque()
        try:
            for image in images:
                waiting.append(pool.submit(self, image))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)

    def memory_needed(self, images: Iterable[str]) -> int:
        """Bytes that one worker takes for the largest of some images."""
        settings = self.settings
        content = _largest(settings.content_folder / image for image in images)
        style = _largest(settings.style_folder / style for style in self.styles)
        scaled = min(content, _WIDEST * settings.size**2) if settings.size else content
        return max(picture_memory(max(content, style)), whole_memory(scaled))

    def thread_count(self, images: Iterable[str]) -> int:
        """How many images to work on side by side: on the CPU one per core, as far as memory allows."""
        device = self.stylizer.device
        if device.type == "cuda":
            return GPU_THREADS
        return max(1, min(torch.get_num_threads(), budget(device) // self.memory_needed(images)))

    def _encode_style(self, style: str, colors: Tensor | None = None) -> Style:
        picture = load_picture(self.settings.style_folder / style)
        pixels = scale_short_side(picture.pixels, self.settings.style_size)
        with self._turn:
            return self.stylizer.style(pixels, tile_size=_TILE_SIZE, colors=colors)


def _scaled(picture: Picture, side: int) -> Picture:
    opacity = picture.opacity
    if opacity is not None:
        opacity = scale_short_side(opacity[None, None], side)[0, 0]
    return replace(picture, pixels=scale_short_side(picture.pixels, side), opacity=opacity)


def _failure(image: str, style: str | None, error: Exception) -> Failure:
    reason = str(error) if isinstance(error, AdaINError) else f"{type(error).__name__}: {error}"
    return {"image": image, "style": style, "reason": reason}


def _largest(paths: Iterable[Path]) -> int:
    """Pixels of the largest image, as headers say, without those that Pillow refuses to decode."""
    return max((found for path in paths if (found := count_pixels(path)) < sys.maxsize), default=0)


def claim(settings: Settings, stylizer: Stylizer) -> None:
    """Notes in the output folder what it is made of.

    Raises:
        AdaINError: the folder was begun with something else, naming what.
    """
    path = settings.output_folder / SETTINGS_FILE
    found: dict[str, object] = {
        key: str(value) if isinstance(value, Path) else value for key, value in asdict(settings).items()
    }
    del found["output_folder"]
    found |= {
        "alpha": list(settings.alpha),
        "style_images": listing_fingerprint(settings.style_folder),
        "encoder": stylizer.encoder.fingerprint,
        "decoder": fingerprint(stylizer.decoder.state_dict(), stylizer.decoder.architecture),
    }
    if not path.exists():
        _write_json(path, found)
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise AdaINError(
            f"{path}: expected the settings of a run, found a file that cannot be read ({error})"
        ) from None
    changed = [key for key in sorted(before | found) if before.get(key) != found.get(key)]
    if changed:
        raise AdaINError(
            f"{path}: expected the settings this folder was begun with, found other values of {', '.join(changed)}; "
            "use another folder"
        )


def write_failures(settings: Settings, failures: Iterable[Failure]) -> None:
    """Writes the report: a list of failures, empty when there are none."""
    _write_json(
        settings.output_folder / FAILURES_FILE, sorted(failures, key=lambda f: (f["image"] or "", f["style"] or ""))
    )


def remove_partial_files(settings: Settings, before: float) -> None:
    """Removes what processes killed before a time (as `time.time`) left half written; others may be at work since."""
    for name in (f"*-stylized-*.????????.{settings.format}", "batch.????????.json", "failures.????????.json"):
        for path in settings.output_folder.rglob(f".{name}"):
            with suppress(FileNotFoundError):  # finished meanwhile
                if path.stat().st_mtime < before:
                    path.unlink()


def _write_json(path: Path, value: object) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
