"""AdaIN Stylize Video in a real ComfyUI: its memory, cancel and going on, trims, videos without a file."""

from __future__ import annotations

import json
import re
import shutil
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest

from adain_core import Stylizer
from adain_core.images.files import load_picture

av = pytest.importorskip("av")

from adain_core.video.job import VideoJob  # noqa: E402
from adain_core.video.reader import VideoReader  # noqa: E402
from tests.adain_core.clips import levels_of, real_clip, seconds, sound_of, write_clip  # noqa: E402

from .expected import EXAMPLES  # noqa: E402
from .server import error_of  # noqa: E402
from .workflows import to_api  # noqa: E402

FRAMES = 130  # of the shorter of the two whose memory is compared
SIZE = (96, 128)
SMOOTHING = 0.5


@pytest.fixture
def style():
    return load_picture(EXAMPLES / "style_starry_night.jpg").pixels


def shortened(path: Path, frames: int) -> Path:
    """That many frames of a real clip, small, forwards and backwards, with a second of sound."""
    pictures = []
    for frame in VideoReader(real_clip("vtest.avi")).frames():
        small = av.VideoFrame.from_ndarray(frame.levels, format="rgb24").reformat(SIZE[1], SIZE[0])
        pictures.append(small.to_ndarray(format="rgb24"))
        if len(pictures) == 60:
            break
    pictures += pictures[::-1]
    return write_clip(path, frames, SIZE, sound="aac", show=lambda number, _: pictures[number % len(pictures)])
