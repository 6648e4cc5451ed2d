"""AdaIN Stylize Video: a whole video, frame by frame from file to file."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..adain_core.errors import AdaINError
from ..adain_core.method.style import Style
from ..adain_core.method.style_bank import row
from ..adain_core.models.bundled import DEFAULT_PAIR
from ..adain_core.video.job import SEGMENT_FRAMES, VideoJob, video_settings
from ..adain_core.video.writer import MAX_CRF
from . import host
from .convert import opacity_of, to_core
from .execution import ManagedPair
from .inputs import ALPHA, DETAIL_SIZE, FLOW, MASK, PAIR, REFINE, SMOOTHING, STYLE_SIZE
from .loaders import shared_pair
from .masks import mask_or_none
from .types import CATEGORY, IMAGE_OR_STYLE
from .video_files import FOLDER, reader_of, result_path

_PREVIEW_SECONDS = 1.0  # at least, from preview to preview
_BYTE = 8  # bits
_made: defaultdict[str | None, set[Path]] = defaultdict(set)  # each node's videos
_lost: Counter[str | None] = Counter()  # how often one of them was found gone


class StylizeVideo:
    """AdaIN Stylize Video."""

    DESCRIPTION = (
        "Stylizes a video of any length in constant memory, with the models that come with the pack. Sound and time "
        "stamps stay. When you cancel, finished parts are kept, and the next run goes on from there."
    )
    CATEGORY = CATEGORY
    SEARCH_ALIASES = ["video style transfer", "long video", "flicker", "temporal consistency", "optical flow", "adain"]
    RETURN_TYPES = ("VIDEO",)
    RETURN_NAMES = ("video",)
    OUTPUT_TOOLTIPS = (f"The video in that style, in H.264 and with its sound. Its file is in output/{FOLDER}.",)
    FUNCTION = "stylize"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "content": ("VIDEO", {"tooltip": "The video to stylize, of any length, from Load Video."}),
                "style": (
                    IMAGE_OR_STYLE,
                    {
                        "tooltip": "One style image, or a style of Load Style; or several as a batch or a bank: mixed "
                        "evenly, or one after the other by keys."
                    },
                ),
                "alpha": ALPHA,
                "smoothing": SMOOTHING,
                "flow": FLOW,
            },
            "optional": {
                "keys": (
                    "STRING",
                    {
                        "default": "",
                        "advanced": True,
                        "tooltip": "For several styles: the frame at which each is reached, counted from 0, such "
                        "as 0 120 240; in between, styles blend. Empty: their even mix throughout.",
                    },
                ),
                "crf": (
                    "FLOAT",
                    {
                        "default": 18.0,
                        "min": 0.0,
                        "max": float(MAX_CRF),
                        "step": 1.0,
                        "advanced": True,
                        "tooltip": "Quality of the video: 0 is best and large, 51 worst.",
                    },
                ),
                "pair": PAIR,
                "refine": REFINE,
                "style_size": STYLE_SIZE,
                "detail_size": DETAIL_SIZE,
                "mask": MASK,
                "preserve_color": (
                    "BOOLEAN",
                    {
                        "default": False,
                        "tooltip": "Give the style image each frame's colours first, which takes about twice as long. "
                        "Only with style images.",
                    },
                ),
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    @classmethod
    def IS_CHANGED(cls, node_id=None, **_):
        """Another value once a video of the node is gone, so that it is made again: ComfyUI keeps only its name."""
        gone = {path for path in _made[node_id] if not path.is_file()}
        _made[node_id] -= gone
        _lost[node_id] += bool(gone)
        return _lost[node_id]

    def stylize(
        self,
        content,
        style,
        alpha,
        smoothing,
        flow,
        keys="",
        crf=18.0,
        pair=DEFAULT_PAIR,
        refine=0,
        style_size=0,
        detail_size=0,
        mask=None,
        preserve_color=False,
        node_id=None,
    ):
        mask, notes = mask_or_none(mask, "everything is stylized")
        models = ManagedPair(*shared_pair(pair), host.compute_device())
        styles, style_masks = _styles_of(style)
        controls = {"alpha": alpha, "crf": crf, "smooth": smoothing, "flow": flow and smoothing > 0, "compile": False}
        controls |= {"refine": refine, "style_size": style_size, "detail_size": detail_size}
        controls |= {"preserve_color": preserve_color}
        frames, reader = _frames_of(keys), reader_of(content)
        if reader.remark:
            notes.append(f"The video: {reader.remark}.")
        path = result_path(reader, video_settings(models, reader, styles, frames, mask, style_masks, **controls))
        if not path.is_file():
            job = VideoJob(models, reader, path, styles, frames, mask=mask, style_masks=style_masks, **controls)
            _run(job, node_id, notes)
            notes += _left_out(job)
        _made[node_id].add(path)
        host.show_text(node_id, *notes, f"The video is in output/{FOLDER}: {path.name}")
        return (host.video_of_file(path),)


def _styles_of(style: Tensor | Style) -> tuple[list[Tensor | Style], list[Tensor | None]]:
    """The styles of a batch of images, or of a bank, and how much the pixels of each image count."""
    if isinstance(style, Style):
        return [row(style, number) for number in range(style.batch)], [None] * style.batch
    images, opacity = list(to_core(style, "style").float().split(1)), opacity_of(style)
    return images, [None] * len(images) if opacity is None else list(opacity.split(1))


def _frames_of(keys: str) -> list[int] | None:
    """The frames in that text; None if it is empty."""
    try:
        return [int(number) for number in re.split(r"[\s,;]+", keys.strip())] if keys.strip() else None
    except ValueError:
        raise AdaINError(f"keys: expected frame numbers such as 0 120, found {keys!r}") from None


def _run(job: VideoJob, node_id: str | None, notes: list[str]) -> None:
    """Makes the video, with progress and previews on the node."""
    if job.done:
        notes = [*notes, f"Goes on from frame {job.done}."]
    host.show_text(node_id, *notes)
    begun = job.done
    bar = host.progress_bar(job.total or 1)
    shown = time.monotonic()

    def progress(done: int, total: int | None) -> None:
        nonlocal shown
        preview = None
        if time.monotonic() - shown >= _PREVIEW_SECONDS:
            preview, shown = _preview(job), time.monotonic()
        # Some formats know only about how many frames there are, some nothing.
        bar(done, max(total or done + 1, done), preview)

    try:
        progress(begun, job.total)
        job.run(progress)
    except host.CANCELLED:
        kept = job.done // SEGMENT_FRAMES * SEGMENT_FRAMES
        host.show_text(
            node_id,
            f"Cancelled. Frames kept: {kept} of {job.total or 'an unknown number'}.",
            "To go on, queue again without changes.",
        )
        raise


def _preview(job: VideoJob) -> Any:
    """The frame finished last, as an image; None before the first one."""
    if job.latest is None:
        return None
    levels = job.latest.levels
    return Image.fromarray(levels if levels.dtype == np.uint8 else (levels >> _BYTE).astype(np.uint8))


def _left_out(job: VideoJob) -> list[str]:
    """What of the source is not in the result."""
    notes = []
    if job.sound_left_out:
        notes.append(f"Sound tracks of an unknown kind, left out: {job.sound_left_out}.")
    if job.damaged:
        notes.append(f"Damaged packets, left out: {job.damaged}.")
    return notes
