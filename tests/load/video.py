"""A long video on the command line: is every frame right, do memory and open files stay?

python -m tests.load.video [--frames 10000] [-o NAME]

Frames of 64 pixels, the light pair. Prints what the process occupies and writes it to NAME.csv and NAME.png; fails when
a frame is not what the core makes of it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.images.resize import scale_short_side
from adain_core.video.job import SEGMENT_FRAMES
from adain_core.video.reader import VideoReader
from tests.adain_core.clips import coarse_chroma, picture, write_clip
from tests.conftest import ROOT

from .use_curve import report, save, watched

SIZE = (64, 64)
STYLE_SIZE = 64
PERIOD = 60  # frames, after which the clip shows the same again
TOLERANCE = 3  # levels: three times rounded, between RGB and a video's colours
SETTLED = 1000  # frames until all that is kept has been made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10000, help="(default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, metavar="NAME")
    options = parser.parse_args()
    style = ROOT / "examples" / "style_tissue.jpg"
    with tempfile.TemporaryDirectory() as folder:
        clip, out = Path(folder, "clip.mp4"), Path(folder, "out.mp4")
        write_clip(clip, options.frames, SIZE, sound=None, show=lambda k, size: picture(k % PERIOD, size))
        parts = Path(folder, f"{out.name}.parts")
        # Without losses, else frames of the same picture would differ.
        command = ("video", clip, style, "-o", out, "--crf", 0, "--pair", "light", "--style-size", STYLE_SIZE)
        uses = watched((*command, "--device", "cpu"), lambda: finished(parts, options.frames))
        if options.output:
            save(options.output, uses, "frames")
        print(report(uses, min(SETTLED, uses[-1].done), "frames"))
        count, worst = check(out, list(islice(stylized(clip, style), PERIOD)))
    print(f"{count} frames; largest difference to the core {worst:.1f} levels of 255")
    if count != options.frames or worst > TOLERANCE:
        raise SystemExit(f"expected {options.frames} frames, at most {TOLERANCE} levels from the core's")


def finished(parts: Path, frames: int) -> int:
    """How many frames are in finished segments, all of which have the same number but the last."""
    return min(frames, SEGMENT_FRAMES * len(list(parts.glob("0*.nut"))))


def stylized(clip: Path, style: Path) -> Iterator[np.ndarray]:
    """The core's frames as a video shows them, ``[H, W, 3]`` 0..255."""
    stylizer = Stylizer.load(device="cpu", pair="light")
    look = stylizer.style(scale_short_side(load_picture(style).pixels, STYLE_SIZE))
    for frame in VideoReader(clip).frames():
        pixels = torch.from_numpy(frame.levels).permute(2, 0, 1)[None] / 255
        with torch.inference_mode():
            yield coarse_chroma(stylizer.stylize(pixels, look)[0].permute(1, 2, 0).numpy() * 255)


def check(out: Path, expected: list[np.ndarray]) -> tuple[int, float]:
    """How many frames there are, and by how many levels they differ at most from those expected, again and again."""
    count, worst = 0, 0.0
    for count, frame in enumerate(VideoReader(out).frames(), 1):
        worst = max(worst, float(np.abs(frame.levels - expected[(count - 1) % len(expected)]).max()))
    return count, worst


if __name__ == "__main__":
    main()
