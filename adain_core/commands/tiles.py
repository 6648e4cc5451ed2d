"""``stylize`` of an image that does not fit into memory at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from tqdm import tqdm

from ..canvas import Canvas
from ..errors import AdaINError
from ..images import count_pixels, load_mask, load_picture, save_picture
from ..large_images import LIBVIPS_BYTES, LargeImage, LargeResult
from ..masks import to_places
from ..memory import budget, picture_memory
from ..streaming import LEAST_MEMORY, Sink, Source, stylize_stream
from ..stylizer import Stylizer, plan_steps
from .styles import load_styles

BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


def stylize_in_tiles(options: argparse.Namespace, stylizer: Stylizer, memory: int) -> None:
    """From file to file or, where libvips is missing or of no use for the files, over the picture in memory.

    Args:
        options: of the command.
        stylizer: the models.
        memory: bytes this may use beside what the process occupies already.
    """
    try:
        content, masks = LargeImage(options.content), [LargeImage(path) for path in options.mask]
    except AdaINError:
        held = picture_memory(sum(map(count_pixels, [options.content, *options.mask])))
        if held + LEAST_MEMORY > memory:
            raise
        _over_the_picture(options, stylizer, memory - held)
    else:
        _from_file_to_file(options, stylizer, content, masks, memory - LIBVIPS_BYTES)


def _over_the_picture(options: argparse.Namespace, stylizer: Stylizer, memory: int) -> None:
    content = load_picture(options.content)
    source, result = Canvas(content.pixels), Canvas(torch.empty_like(content.pixels))
    masks = [to_places(load_mask(path), source.size) for path in options.mask]
    colors = content.pixels if options.preserve_color else None
    with _scratch(options) as folder:
        _stream(options, stylizer, source, result, colors, masks, memory, Path(folder))
    save_picture(options.output, replace(content, pixels=result.pixels))


def _from_file_to_file(
    options: argparse.Namespace, stylizer: Stylizer, content: LargeImage, masks: Sequence[LargeImage], memory: int
) -> None:
    if memory < LEAST_MEMORY:
        raise AdaINError(
            f"memory: expected {(LEAST_MEMORY - memory) / 2**20:.0f} MiB more than "
            f"{options.max_memory or 'most of the free memory'} to stylize even in the smallest tiles"
        )
    places = [mask.mask(content.size) for mask in masks]
    colors = content.sample() if options.preserve_color else None
    with _scratch(options) as folder:
        result = LargeResult(options.output, content.size, Path(folder))
        _stream(options, stylizer, content, result, colors, places, memory, Path(folder))
        result.save(content.opacity, content.icc_profile)


def _scratch(options: argparse.Namespace) -> TemporaryDirectory[str]:
    """A folder beside the output, where there is room for it and so for what is as large."""
    parent = Path(options.output).parent
    parent.mkdir(parents=True, exist_ok=True)
    return TemporaryDirectory(prefix=".stylize.", dir=parent)


def _stream(
    options: argparse.Namespace,
    stylizer: Stylizer,
    source: Source,
    sink: Sink,
    colors: Tensor | None,
    masks: Sequence[Tensor],
    memory: int,
    folder: Path,
) -> None:
    styles = []
    for pixels in load_styles(options, memory - LEAST_MEMORY):
        left = min(memory - picture_memory(pixels[0, 0].numel()), budget(stylizer.device))
        styles.append(stylizer.style(pixels, memory=left, colors=colors))
    with tqdm(desc="stylize", bar_format=BAR) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        steps = plan_steps(styles, options.weights, masks)
        stylize_stream(stylizer, source, sink, steps, options.alpha, memory=memory, folder=folder, progress=show)
