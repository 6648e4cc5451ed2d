"""Stylized data sets: every image of a folder in random styles, as Stylized-ImageNet is made.

Geirhos et al., "ImageNet-trained CNNs are biased towards texture" (arXiv:1811.12231). Which styles an image gets
follows from the seed, its own name and the style images alone: the work can be split, stopped and repeated at will.
"""

from __future__ import annotations

import functools
import json
import random
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from .adain import check_alpha
from .checkpoint import fingerprint
from .color import match_color
from .dataset import list_images, listing_fingerprint
from .errors import AdaINError
from .files import atomic_write
from .images import Picture, load_picture, save_picture, scale_short_side
from .memory import budget, working_memory
from .pipeline import apply_style
from .style import Style
from .stylizer import Stylizer

FORMATS = ("jpg", "png")
SETTINGS_FILE = "batch.json"
FAILURES_FILE = "failures.json"
_STYLES_KEPT = 4096  # 4 KB each
_GPU_THREADS = 3  # one reads, one computes, one writes
_PIXELS = 1 << 20  # of a usual image, to judge how many fit into memory side by side
_LABEL = 40  # characters of the style's name in an output's

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

    Raises:
        AdaINError: a value outside these ranges, or outputs among the images.
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
    apart; K counts the image's styles from 1, so that styles of one name in different folders do.

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
        Target(style, alpha, f"{image}-stylized-{number}-{_label(style)}.{settings.format}")
        for number, (style, alpha) in enumerate(chosen.items(), 1)
    ]


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
        # How much memory is free, which tiles depend on, is only certain when one computes on a GPU at a time.
        self._turn: AbstractContextManager = threading.Lock() if stylizer.device.type == "cuda" else nullcontext()

    def __call__(self, image: str) -> list[Failure]:
        """Makes an image's missing outputs. Whatever goes wrong with one is returned and does not stop the others."""
        try:
            targets = missing(self.settings, plan(self.settings, image, self.styles))
            if not targets:
                return []
            content = load_picture(self.settings.content_folder / image)
            pixels = scale_short_side(content.pixels, self.settings.size)
            with self._turn:
                features = self.stylizer.encode(pixels)
        except Exception as error:
            return [_failure(image, None, error)]
        failures = []
        for target in targets:
            try:
                recolor = self.settings.preserve_color
                style = self._recolored_style(target.style, pixels) if recolor else self._style(target.style)
                with self._turn:
                    result = self.stylizer.decode(apply_style(features, style, target.alpha)).cpu()
                path = self.settings.output_folder / target.output
                save_picture(path, Picture(result, icc_profile=content.icc_profile))
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

    def _style_pixels(self, style: str) -> Tensor:
        return scale_short_side(load_picture(self.settings.style_folder / style).pixels, self.settings.style_size)

    def _encode_style(self, style: str) -> Style:
        pixels = self._style_pixels(style)
        with self._turn:
            return self.stylizer.style(pixels)

    def _recolored_style(self, style: str, content: Tensor) -> Style:
        pixels = match_color(self._style_pixels(style), content)
        with self._turn:
            return self.stylizer.style(pixels)


def _failure(image: str, style: str | None, error: Exception) -> Failure:
    reason = str(error) if isinstance(error, AdaINError) else f"{type(error).__name__}: {error}"
    return {"image": image, "style": style, "reason": reason}


def thread_count(device: torch.device) -> int:
    """How many images to work on side by side: on the CPU one per core, as far as memory allows."""
    if device.type == "cuda":
        return _GPU_THREADS
    return max(1, min(torch.get_num_threads(), budget(device) // working_memory(_PIXELS)))


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


def remove_partial_files(settings: Settings) -> None:
    """Removes what killed processes left half written; for the end of a run, when nobody writes any more."""
    for name in (f"*-stylized-*.????????.{settings.format}", "batch.????????.json", "failures.????????.json"):
        for path in settings.output_folder.rglob(f".{name}"):
            path.unlink(missing_ok=True)


def _write_json(path: Path, value: object) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
