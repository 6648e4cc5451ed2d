"""Makes a stylized data set's outputs, one content image at a time."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from ..errors import AdaINError
from ..images.files import Picture, check_sides, count_pixels, load_picture, save_picture, scaled
from ..inference.applications import Application
from ..inference.fast.kernel_choice import prefer_direct_kernels
from ..inference.frames import restyle
from ..inference.memory_estimates import picture_memory, whole_memory
from ..inference.stylizer import Stylizer
from ..memory import budget
from ..method.spatial_masks import visible_positions
from ..method.style import Style
from ..threads import map_ahead
from .plan import Settings, Target, missing, plan

_STYLES_KEPT = 4096  # 4 KB each
GPU_THREADS = 3  # one reads, one computes, one writes
# Pixels. It does not depend on free memory, which other programs change: results would differ in their last bits.
_TILE_SIZE = 2048
_WIDEST = 2  # aspect ratio that scaled images are assumed to have at most, when their memory is estimated

# What could not be made: content image, style image and reason. One of the images is None when the other is at fault.
Failure = dict[str, str | None]


class DatasetStylizer:
    """Makes the outputs of content images, one image at a time.

    Args:
        stylizer: the models.
        settings: of the data set.
        styles: style images, relative to their folder: all of them, since the choice depends on it.
        unreadable: those known to be unreadable.

    Attributes:
        unreadable: those found to be unreadable so far. Others take their place.
    """

    def __init__(
        self, stylizer: Stylizer, settings: Settings, styles: Sequence[str], unreadable: Iterable[str] = ()
    ) -> None:
        prefer_direct_kernels()  # parts of one data set may be made on different machines
        self.stylizer = stylizer
        self.settings = settings
        self.styles = styles
        self.unreadable = set(unreadable)
        self._style = functools.lru_cache(_STYLES_KEPT)(self._encode_style)
        # On a GPU one image is computed at a time: the memory of several would add up.
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if stylizer.device.type == "cuda" else nullcontext()
        )

    def __call__(self, image: str) -> list[Failure]:
        """Makes an image's missing outputs. An error at one of them is returned and does not stop the others."""
        failures: list[Failure] = []
        try:
            if not missing(self.settings, plan(self.settings, image, self.styles, self.unreadable)):
                return []
            content = scaled(load_picture(self.settings.content_folder / image), self.settings.size)
            check_sides(f"{image}.{self.settings.format}", content.pixels.shape[2:])
            targets = self._with_styles(image, failures)
            if not targets:
                return failures
            with self._turn:
                features = self.stylizer.encode(content.filled, content.weights, tile_size=_TILE_SIZE)
        except Exception as error:
            return [*failures, _failure(image, None, error)]
        visible = None if content.weights is None else visible_positions(content.weights)
        for target, style in targets:
            try:
                encoded = style if isinstance(style, Style) else self._encoded(style, content)
                result = content.pixels
                if target.alpha > 0:
                    with self._turn:
                        result = restyle(
                            self.stylizer, features, [Application(encoded, visible)], target.alpha, tile_size=_TILE_SIZE
                        ).cpu()
                save_picture(self.settings.output_folder / target.output, replace(content, pixels=result))
            except Exception as error:
                failures.append(_failure(image, target.style, error))
        return failures

    def _with_styles(self, image: str, failures: list[Failure]) -> list[tuple[Target, Style | Picture]]:
        """The missing outputs of an image, each with its style, as a picture where it is still to be recoloured.

        A style found to be unreadable is replaced, and added to the failures; so is an output for which none is left.
        """
        while True:
            unreadable = frozenset(self.unreadable)
            ready: list[tuple[Target, Style | Picture]] = []
            failed: list[Failure] = []
            for target in missing(self.settings, plan(self.settings, image, self.styles, unreadable)):
                if target.style in unreadable:
                    failed.append({"image": image, "style": target.style, "reason": "no other style can be read"})
                    continue
                try:
                    recolor = self.settings.preserve_color
                    ready.append((target, self._read_style(target.style) if recolor else self._style(target.style)))
                except AdaINError as error:
                    if target.style not in self.unreadable:
                        failures.append(_failure(None, target.style, error))
                    self.unreadable.add(target.style)
                except Exception as error:
                    failed.append(_failure(image, target.style, error))
            if self.unreadable == unreadable:
                failures += failed
                return ready

    def run(self, images: Iterable[str], workers: int) -> Iterator[list[Failure]]:
        """Makes the outputs of images in threads.

        On the CPU each image is computed by one thread on one core: cores do not wait for files, and their number does
        not change the results.

        Args:
            images: relative to the content folder.
            workers: number of threads.

        Yields:
            The failures of each image, in order.
        """
        before = torch.get_num_threads()
        pool = ThreadPoolExecutor(workers, "adain-batch", initializer=torch.set_num_threads, initargs=(1,))
        try:
            yield from map_ahead(pool, self, images, 2 * workers)
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(before)

    def memory_needed(self, images: Iterable[str]) -> int:
        """Bytes that one worker needs for the largest of some images."""
        settings = self.settings
        content = _largest(settings.content_folder / image for image in images)
        style = _largest(settings.style_folder / style for style in self.styles)
        scaled = min(content, _WIDEST * settings.size**2) if settings.size else content
        return max(picture_memory(max(content, style)), whole_memory(scaled, self.stylizer.encoder.feature_channels))

    def thread_count(self, images: Iterable[str]) -> int:
        """How many images to work on at the same time: on the CPU one per core, fewer when memory is short."""
        device = self.stylizer.device
        if device.type == "cuda":
            return GPU_THREADS
        return max(1, min(torch.get_num_threads(), budget(device) // self.memory_needed(images)))

    def _read_style(self, style: str) -> Picture:
        return scaled(load_picture(self.settings.style_folder / style), self.settings.style_size)

    def _encode_style(self, style: str) -> Style:
        return self._encoded(self._read_style(style))

    def _encoded(self, style: Picture, colors: Picture | None = None) -> Style:
        reference = (None, None) if colors is None else (colors.pixels, colors.weights)
        with self._turn:
            return self.stylizer.style(style.filled, style.weights, _TILE_SIZE, None, *reference)


def _failure(image: str | None, style: str | None, error: Exception) -> Failure:
    reason = str(error) if isinstance(error, AdaINError) else f"{type(error).__name__}: {error}"
    return {"image": image, "style": style, "reason": reason}


def _largest(paths: Iterable[Path]) -> int:
    """Pixels of the largest image by its header, without those that Pillow refuses to decode."""
    return max((found for path in paths if (found := count_pixels(path)) < sys.maxsize), default=0)
