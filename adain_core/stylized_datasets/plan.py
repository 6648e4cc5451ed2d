"""The outputs of a stylized data set: every image of a folder in random styles, as in Stylized-ImageNet.

Geirhos et al., "ImageNet-trained CNNs are biased towards texture" (arXiv:1811.12231). The styles of an image depend on
the seed, its own name and the style images alone, so the work can be split, stopped and repeated.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import AdaINError
from ..files import check_folder
from ..images.folders import list_images
from ..method.adain import check_alpha

FORMATS = ("jpg", "png")
_LABEL = 40  # characters of the style's name in an output's
_NAME = 240  # bytes of an output's name; file systems take 255, and the temporary file's name is longer


@dataclass(frozen=True)
class Settings:
    """What a stylized data set is made of.

    Attributes:
        content_folder, style_folder: images at any depth.
        output_folder: gets the content's folder structure.
        styles_per_image: how many different styles each image gets.
        seed: of the random choice.
        alpha: least and greatest content-style trade-off, 0..1; each output's is drawn uniformly between them.
        style_size: short side that style images are scaled to, in pixels; 0: not scaled.
        size: the same for content images, and so for the outputs.
        format: ``jpg`` or ``png``.
        preserve_color: see `Stylizer.stylize`.
        precision: of the computation, ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        AdaINError: a value outside these ranges, an output folder inside one of the others, or one that cannot be
            written to.
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


def plan(settings: Settings, image: str, styles: Sequence[str], unreadable: Collection[str] = ()) -> list[Target]:
    """The outputs of one content image.

    They are named ``sub/NAME.EXT-stylized-K-STYLE.FORMAT``. With its ending, a.jpg and a.png have different outputs; K
    counts the image's styles from 1, which tells styles of the same name apart. A NAME.EXT that is too long is cut, and
    a hash of it appended.

    Args:
        settings: of the data set.
        image: relative to the content folder.
        styles: relative to the style folder.
        unreadable: styles that cannot be read: each is replaced by one drawn after all the others, so that these stay,
            as long as there is one.

    Raises:
        AdaINError: fewer style images than each image shall get.
    """
    if settings.styles_per_image > len(styles):
        raise AdaINError(
            f"styles per image: expected at most the number of style images, {len(styles)}, "
            f"found {settings.styles_per_image}"
        )
    # Of Python's generators only random() is promised to stay the same in later versions.
    generator = random.Random(repr((settings.seed, image)))
    low, high = settings.alpha
    chosen: dict[str, float] = {}
    while len(chosen) < settings.styles_per_image:
        style, share = styles[int(generator.random() * len(styles))], generator.random()
        chosen.setdefault(style, low + (high - low) * share)
    final = list(chosen)
    for position, style in enumerate(chosen):
        spare = len(styles) - len({*chosen, *final, *unreadable}) if style in unreadable else 0
        while spare and final[position] == style:
            drawn = styles[int(generator.random() * len(styles))]
            if drawn not in chosen and drawn not in final and drawn not in unreadable:
                final[position] = drawn
    return [
        Target(style, alpha, _output(image, f"-stylized-{number}-{_label(style)}.{settings.format}"))
        for number, (style, alpha) in enumerate(zip(final, chosen.values(), strict=True), 1)
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
    """A style image's name without hyphens, so that the last "-stylized-" of an output's name is ours."""
    return re.sub(r"\W+", "_", Path(style).stem)[:_LABEL]


def missing(settings: Settings, targets: Iterable[Target]) -> list[Target]:
    """The outputs that are not there yet. Files are written atomically, so each that is there is finished."""
    return [target for target in targets if not (settings.output_folder / target.output).exists()]
