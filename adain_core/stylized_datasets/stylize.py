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
from torch import Tensor

from ..errors import AdaINError
from ..images.files import Picture, count_pixels, load_picture, save_picture
from ..images.resize import scale_short_side
from ..inference.applications import Application
from ..inference.fast.kernel_choice import prefer_direct_kernels
from ..inference.frames import restyle
from ..inference.memory_estimates import picture_memory, whole_memory
from ..inference.stylizer import Stylizer
from ..memory import budget
from ..method.style import Style
from ..threads import map_ahead
from .plan import Settings, missing, plan

_STYLES_KEPT = 4096  # 4 KB each
GPU_THREADS = 3  # one reads, one computes, one writes
# Pixels. It does not depend on free memory, which other programs change: results would differ in their last bits.
_TILE_SIZE = 2048
_WIDEST = 2  # aspect ratio that scaled images are assumed to have at most, when their memory is estimated

# What could not be made: content image, style image (None when the content image is at fault) and reason.
Failure = dict[str, str | None]


class DatasetStylizer:
    """Makes the outputs of content images, one image at a time.

    Args:
        stylizer: the models.
        settings: of the data set.
        styles: style images, relative to their folder: all of them, since the choice depends on it.
    """

    def __init__(self, stylizer: Stylizer, settings: Settings, styles: Sequence[str]) -> None:
        prefer_direct_kernels()  # parts of one data set may be made on different machines
        self.stylizer = stylizer
        self.settings = settings
        self.styles = styles
        self._style = functools.lru_cache(_STYLES_KEPT)(self._encode_style)
        # On a GPU one image is computed at a time: the memory of several would add up.
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if stylizer.device.type == "cuda" else nullcontext()
        )

    def __call__(self, image: str) -> list[Failure]:
        """Makes an image's missing outputs. An error at one of them is returned and does not stop the others."""
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
                    result = restyle(
                        self.stylizer, features, [Application(style)], target.alpha, tile_size=_TILE_SIZE
                    ).cpu()
                save_picture(self.settings.output_folder / target.output, replace(content, pixels=result))
            except Exception as error:
                failures.append(_failure(image, target.style, error))
        return failures

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
        return max(picture_memory(max(content, style)), whole_memory(scaled))

    def thread_count(self, images: Iterable[str]) -> int:
        """How many images to work on at the same time: on the CPU one per core, fewer when memory is short."""
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
    """Pixels of the largest image by its header, without those that Pillow refuses to decode."""
    return max((found for path in paths if (found := count_pixels(path)) < sys.maxsize), default=0)
