"""How much frames flicker, each stylized by itself and with temporal smoothing.

python -m benchmarks.flicker [CLIP ...] [--frames 32] [--strength 0.5] [--flow farneback] [--refine 5] [--pair vgg19]
python -m benchmarks.flicker --made [--statistics-only]

For each clip and style: the warping error between consecutive outputs (Lai et al., "Learning Blind Video Temporal
Consistency", ECCV 2018, eq. 12) along the flow of the original frames, where that flow is consistent, and the style
loss of the outputs (eq. 13). Without clips: those of the Debian package opencv-doc. Clips are read with OpenCV.

Made clips are a still photo in which something changes: a lamp flickers in a corner, an object enters, or the exposure
of the whole picture varies. The flow is 0, and the first two are measured where the photo does not change.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.images.resize import scale
from adain_core.inference.frames import stylize_frames
from adain_core.method.losses import style_loss
from adain_core.method.normalization import Statistics, channel_statistics
from adain_core.video.optical_flow import consistent, optical_flow, warp
from adain_core.video.smoothing import DEFAULT_STRENGTH, TemporalSmoother

CLIPS = [Path("/usr/share/doc/opencv-doc/examples/data") / f"{name}.avi" for name in ("vtest", "Megamind", "tree")]
STYLES = ("starry_night", "safe_landing")
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WIDTH = 320  # pixels of a frame
STYLE_SIDE = 256  # pixels of a style image
LOSS_EVERY = 4  # frames between those the style loss is measured at
MADE = ("lamp", "object", "exposure")
MARGIN = 32  # pixels around what changes that are not measured
ENTERING = 20  # pixels per frame that the object moves by


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path, default=CLIPS)
    parser.add_argument("--start", type=int, default=30, help="frames to leave out (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=32, help="frames per clip (default: %(default)s)")
    parser.add_argument("--strength", type=float, default=DEFAULT_STRENGTH)
    parser.add_argument("--flow", choices=("farneback", "dis"), default="farneback", help="to measure with")
    parser.add_argument("--made", action="store_true", help="made clips instead")
    parser.add_argument("--statistics-only", action="store_true", help="smooth without flow")
    parser.add_argument("--refine", type=int, default=0, metavar="N", help="steps for each frame (default: 0)")
    parser.add_argument("--pair", choices=("fine", "vgg19"), default="fine", help="(default: %(default)s)")
    options = parser.parse_args()
    measured_flow = optical_flow if options.flow == "farneback" else inverse_search
    stylizer = Stylizer.load(pair=options.pair)
    start = "" if options.made else f" from frame {options.start}"
    print(f"{options.frames} frames{start}, {WIDTH} pixels wide, strength {options.strength};")
    print(f"warping error x 1000 ({options.flow}) and style loss: each frame by itself, smoothed, change\n")
    print(f"| {'clip':12} | {'style':12} | warping error          | style loss             |")
    print("|---|---|---|---|")
    for clip in MADE if options.made else options.clips:
        if options.made:
            frames, flows = made(clip, options.frames)
        else:
            frames = read(clip, options.start, options.frames)
            flows = [motion(now, before, measured_flow) for before, now in pairwise(frames)]
        for name in STYLES:
            pixels = load_picture(EXAMPLES / f"style_{name}.jpg").pixels
            pixels = F.interpolate(pixels, (STYLE_SIDE, STYLE_SIDE), mode="bilinear", antialias=True)
            with torch.no_grad():
                target = [channel_statistics(tap) for tap in stylizer.encoder.taps(pixels.to(stylizer.device))]
            smoother = TemporalSmoother(options.strength, flow=not options.statistics_only)
            style = stylizer.style(pixels, layers=options.refine > 0)
            plain, smoothed = (
                stylize_frames(stylizer, torch.cat(frames), [style], smoother=how, refine=options.refine).cpu().split(1)
                for how in (None, smoother)
            )
            errors = [1000 * warping_error(outputs, flows) for outputs in (plain, smoothed)]
            losses = [mean_style_loss(stylizer, outputs, target) for outputs in (plain, smoothed)]
            print(f"| {Path(clip).stem:12} | {name:12} | {compared(errors)} | {compared(losses)} |", flush=True)


def read(clip: Path, start: int, count: int) -> list[Tensor]:
    """Frames ``[1, 3, H, W]`` RGB 0..1, scaled."""
    import cv2

    video, frames = cv2.VideoCapture(str(clip)), []
    while len(frames) < start + count:
        found, frame = video.read()
        if not found:
            raise SystemExit(f"{clip}: expected {start + count} frames, found {len(frames)}")
        height = round(frame.shape[0] * WIDTH / frame.shape[1])
        frame = cv2.resize(frame, (WIDTH, height), interpolation=cv2.INTER_AREA)[:, :, ::-1]
        frames.append(torch.from_numpy(frame.copy()).permute(2, 0, 1)[None] / 255)
    return frames[start:]


def made(name: str, count: int) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]]]:
    """The frames of one of `MADE`, and for each pair the flow and the pixels to measure, as `motion` has them."""
    photo = example("content_chelsea", WIDTH)
    height, third = photo.shape[2], WIDTH // 3
    entering = example("content_astronaut", third)[..., : height // 2, :]
    frames, measured = [], torch.ones(1, 1, *photo.shape[2:])
    for number in range(count):
        frame = photo.clone()
        if name == "lamp":
            frame[..., : height // 2, -third:] += 0.5 if number % 3 == 0 else 0.0
        elif name == "object":
            shown = min(third, number * ENTERING)
            frame[..., height - height // 2 :, WIDTH - shown :] = entering[..., :shown]
        else:
            frame *= 1 + 0.25 * math.cos(2.4 * number)
        frames.append(frame.clamp(0, 1))
    if name == "lamp":
        measured[..., : height // 2 + MARGIN, -third - MARGIN :] = 0
    elif name == "object":
        measured[..., height // 2 - MARGIN :, -third - MARGIN :] = 0
    return frames, [(torch.zeros(1, 2, *photo.shape[2:]), measured)] * (count - 1)


def example(name: str, width: int) -> Tensor:
    pixels = load_picture(EXAMPLES / f"{name}.jpg").pixels
    return scale(pixels, width / pixels.shape[3])


def inverse_search(start: Tensor, end: Tensor) -> Tensor:
    """Dense inverse search (Kroeger et al., ECCV 2016), which the smoothing does not use: as `optical_flow`."""
    import cv2

    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    levels = [(255 * frame[0]).byte().permute(1, 2, 0).numpy() for frame in (start, end)]
    flow = method.calc(*(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in levels), None)
    return torch.from_numpy(flow).permute(2, 0, 1)[None]


def motion(now: Tensor, before: Tensor, measured_flow: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The flow from a frame to the one before, and the pixels that are neither occluded nor uncertain."""
    flow = measured_flow(now, before)
    return flow, consistent(flow, measured_flow(before, now))


def warping_error(outputs: Sequence[Tensor], flows: list[tuple[Tensor, Tensor]]) -> float:
    """``sum(M |o_t - warp(o_(t-1))|^2) / sum(M)``, mean over colours and pairs of frames."""
    errors = []
    for (before, now), (flow, trusted) in zip(pairwise(outputs), flows, strict=True):
        squares = (now - warp(before, flow)).square().mean(dim=1, keepdim=True)
        errors.append(float((squares * trusted).sum() / trusted.sum()))
    return sum(errors) / len(errors)


@torch.inference_mode()
def mean_style_loss(stylizer: Stylizer, outputs: Sequence[Tensor], target: list[Statistics]) -> float:
    some = outputs[LOSS_EVERY - 1 :: LOSS_EVERY]
    losses = [style_loss(stylizer.encoder.taps(output.to(stylizer.device)), target) for output in some]
    return float(torch.stack(losses).mean())


def compared(values: list[float]) -> str:
    plain, smoothed = values
    return f"{plain:6.3f} {smoothed:6.3f} {100 * (smoothed / plain - 1):+7.1f} %"


if __name__ == "__main__":
    main()
