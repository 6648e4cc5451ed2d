"""The paper's table of speed (table 1): seconds an image with and without the style's encoding, and of each stage.

python -m benchmarks.speed [--sizes 256 512 1024] [--pairs vgg19 light] [--device auto] [--precision auto] [--rounds 7]
    [--threads N]

Square images in memory; each time is the median over the rounds. Prints a table with the device's name and
the versions. With ``--threads 1`` on the processor it is processor time, which other programs disturb less.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch

import adain_core
from adain_core import Stylizer
from adain_core.devices import PRECISIONS, parse_device
from adain_core.inference.pipeline import apply_style
from adain_core.models.bundled import PAIRS

from .inference import medians, pictures

COLUMNS = ("with the style's encoding", "without", "style encoded", "content encoded", "AdaIN", "decoded")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, help="default: PyTorch's")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = parse_device(options.device)
    print(f"{device_name(device)}, {versions(device)}\n")
    print("| pair, pixels |", " | ".join(COLUMNS), "|")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for pair in options.pairs:
        stylizer = Stylizer.load(device=device, precision=options.precision, pair=pair)
        for size in options.sizes:
            times = stages(stylizer, size, options.rounds)
            print(f"| {pair}, {size}x{size} |", " | ".join(f"{time:.4f} s" for time in times), "|", flush=True)


@torch.inference_mode()
def stages(stylizer: Stylizer, size: int, rounds: int) -> list[float]:
    """Seconds as in `COLUMNS`, medians; the work is done when the device has finished it."""
    content, style = pictures(size)
    look, features = stylizer.style(style), stylizer.encode(content)
    stylized = apply_style(features, look)

    def finished(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            work()
            if stylizer.device.type == "cuda":
                torch.cuda.synchronize(stylizer.device)

        return run

    works = (
        lambda: stylizer.stylize(content, style),
        lambda: stylizer.stylize(content, look),
        lambda: stylizer.style(style),
        lambda: stylizer.encode(content),
        lambda: apply_style(features._replace(), look),  # a copy does not know its statistics yet
        lambda: stylizer.decode(stylized),
    )
    return medians([finished(work) for work in works], rounds)


def device_name(device: torch.device) -> str:
    """The graphics card, or the processor with the threads in use and the load beside it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{name}, {torch.get_num_threads()} of {os.cpu_count()} threads{load}"


def versions(device: torch.device) -> str:
    """Of what decides the speed."""
    cuda = f", CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}" if device.type == "cuda" else ""
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{system}, PyTorch {torch.__version__}{cuda}, AdaIN {adain_core.__version__}"


if __name__ == "__main__":
    main()
