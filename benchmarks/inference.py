"""Time and memory of stylizing an image against a textbook AdaIN, and how near the convolutions come to the peak.

python -m benchmarks.inference [--sizes 256 512 1024] [--rounds 7] [--threads N] [--precision bfloat16]
    [--microast FOLDER]

The textbook form is what one writes first: one module after the other, default memory format, the style encoded each
time. Both have the same weights and images and take turns in one process, with the light pair and, where a folder has a
clone of EndyWon/MicroAST, that network by its own code; figures are medians over the rounds. The
peak is that of torch.mm in the same run. With ``--threads 1`` it is processor time that is measured, which other
programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from adain_core import Stylizer
from adain_core.devices import PRECISIONS
from adain_core.images.files import load_picture
from adain_core.models.bundled import VGG19_DECODER, VGG19_ENCODER
from adain_core.models.model_files import load_decoder, load_encoder

from .microast import microast

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FORMS = ("textbook", "ours", "light")
# Matrix products are Winograd's convolutions, their transforms included.
_CONVOLUTIONS = ("aten::mkldnn_convolution", "aten::mm", "aten::bmm")
_SIDE = 2048  # of the matrices whose product tells the peak


class Textbook(nn.Module):
    """AdaIN style transfer as in the paper, module by module, with the bundled weights."""

    def __init__(self) -> None:
        super().__init__()
        encoder, decoder = load_encoder(VGG19_ENCODER), load_decoder(VGG19_DECODER)
        layers: list[nn.Module] = []
        for k, convolution in enumerate(encoder.c):
            if k and k in encoder.first_of_block:
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            layers += [nn.ReflectionPad2d(1), convolution, nn.ReLU()]
        self.encoder = nn.Sequential(*layers)
        layers = []
        for k, convolution in enumerate(decoder.c):
            layers += [nn.ReflectionPad2d(1), _plain(convolution), nn.ReLU()]
            if k in decoder.upsample_after:
                layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        self.decoder = nn.Sequential(*layers[:-1])

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        x, y = self.encoder(content), self.encoder(style)
        (mean, std), (style_mean, style_std) = _statistics(x), _statistics(y)
        return self.decoder(style_std * (x - mean) / std + style_mean).clamp(0, 1)


def _plain(convolution: nn.Conv2d) -> nn.Conv2d:
    """The same weights in a convolution that does nothing else: the decoder's own upsample, too."""
    plain = nn.Conv2d(convolution.in_channels, convolution.out_channels, 3).requires_grad_(False)
    plain.load_state_dict(convolution.state_dict())
    return plain


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean((2, 3), keepdim=True), (x.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()


def pictures(size: int) -> list[Tensor]:
    """A photo and a painting, ``[1, 3, size, size]`` each."""
    return [
        F.interpolate(load_picture(EXAMPLES / name).pixels, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
        for name in ("content_astronaut.jpg", "style_starry_night.jpg")
    ]


def seconds(work: Callable[[], object]) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    begun = clock()
    work()
    return clock() - begun


def medians(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Each work's median time, taking turns, after one round that does not count."""
    times = [[seconds(work) for work in works] for _ in range(rounds + 1)]
    return [statistics.median(column) for column in zip(*times[1:], strict=True)]


def share_of_convolutions(work: Callable[[], object], rounds: int) -> float:
    """Their part of the whole time, the median."""
    found = []
    for _ in range(rounds):
        with profile(activities=[ProfilerActivity.CPU]) as record:
            work()
        times = {event.key: event.self_cpu_time_total for event in record.key_averages()}
        found.append(sum(times.get(name, 0.0) for name in _CONVOLUTIONS) / sum(times.values()))
    return statistics.median(found)


def gigaflop(work: Callable[[], object]) -> float:
    """10^9 multiplications and additions of the convolutions that are really executed, what bands overlap included."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def product_peak(dtype: torch.dtype, rounds: int = 9) -> float:
    """GFLOP/s of a matrix product."""
    a, b = (torch.randn(_SIDE, _SIDE).to(dtype) for _ in range(2))
    return 2 * _SIDE**3 / min(seconds(lambda: a @ b) for _ in range(rounds)) / 1e9


def convolution_peak(dtype: torch.dtype, rounds: int = 9) -> float:
    """GFLOP/s of a single 3x3 convolution, 256 channels to 256, whose maps stay in the cache."""
    x = torch.randn(1, 256, 66, 130).to(dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        fastest = min(seconds(lambda: F.conv2d(x, weight)) for _ in range(rounds))
    return 2 * 256 * 256 * 9 * 64 * 128 / fastest / 1e9


def peak_memory(form: str, size: int, precision: str) -> float:
    """MiB that a process of its own occupies at most, from start to end."""
    command = [sys.executable, "-m", "benchmarks.inference", "--precision", precision, "--sizes", str(size)]
    command += ["--memory-of", form]
    run = subprocess.run(command, cwd=EXAMPLES.parent, capture_output=True, text=True, check=True)
    return float(run.stdout)


@torch.inference_mode()
def run_once(form: str, size: int, precision: str) -> None:
    """Prints the peak of this process, having stylized once."""
    content, style = pictures(size)
    if form == "textbook":
        Textbook()(content, style)
    else:
        pair = "light" if form == "light" else "vgg19"
        Stylizer.load(device="cpu", precision=precision, pair=pair).stylize(content, style)
    # Not getrusage, whose maximum begins with that of the process this one was started from.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1024)


@torch.inference_mode()
def compare(size: int, rounds: int, precision: str, microast_folder: str | None) -> None:
    content, style = pictures(size)
    textbook, exact = Textbook(), Stylizer.load(device="cpu", pair="vgg19")
    ours = Stylizer.load(device="cpu", precision=precision, pair="vgg19")
    dtype = next(ours.encoder.parameters()).dtype
    light = Stylizer.load(device="cpu", precision=precision, pair="light")
    known, light_known = ours.style(style), light.style(style)
    works = [
        lambda: textbook(content, style),
        lambda: ours.stylize(content, style),
        lambda: ours.stylize(content, known),
        lambda: light.stylize(content, style),
        lambda: light.stylize(content, light_known),
    ]
    if microast_folder:
        network = microast(microast_folder)
        works.append(lambda: network(content, style))
    plain, whole, frame, light_whole, light_frame, *others = medians(works, rounds)
    print(f"\n{size}x{size}, {precision}")
    print(f"  end to end: textbook {plain:.3f} s, ours {whole:.3f} s: {plain / whole:.2f} times as fast")
    print(f"  a frame, the style known: {frame:.3f} s: {plain / frame:.2f} times as fast")
    print(
        f"  light pair: end to end {light_whole:.3f} s, {whole / light_whole:.2f} times as fast as ours; "
        f"a frame {light_frame:.3f} s, {1 / light_frame:.1f} in a second"
    )
    for other in others:
        print(f"  MicroAST: {other:.3f} s; the light pair {other / light_whole:.2f} times as fast, end to end")

    float32 = exact.stylize(content, style)
    print(f"  float32 to textbook: at most {255 * (float32 - textbook(content, style)).abs().max():.4f} of 255 levels")
    if precision != "float32":
        difference = 255 * (ours.stylize(content, known) - float32).abs()
        print(f"  {precision} to float32: at most {difference.max():.1f} levels, {difference.mean():.2f} on average")

    share = share_of_convolutions(lambda: ours.stylize(content, known), rounds)
    spent = share * frame
    written = gigaflop(lambda: exact.decoder(exact.encoder(content)))
    executed = gigaflop(lambda: ours.stylize(content, known))
    product, single = product_peak(dtype), convolution_peak(dtype)
    print(
        f"  convolutions: {100 * share:.0f} % of a frame; {written:.0f} GFLOP as written, {executed:.0f} executed: "
        f"{written / spent:.0f} and {executed / spent:.0f} GFLOP/s"
    )
    print(
        f"  torch.mm: {product:.0f} GFLOP/s, of which {100 * written / spent / product:.0f} % as written, "
        f"{100 * executed / spent / product:.0f} % executed; "
        f"a single convolution: {single:.0f} GFLOP/s, {100 * executed / spent / single:.0f} % executed"
    )
    memory = [peak_memory(form, size, precision) for form in FORMS]
    print(
        "  peak memory of a process: "
        + ", ".join(f"{form} {mib:.0f} MiB" for form, mib in zip(FORMS, memory, strict=True))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="default: PyTorch's")
    parser.add_argument("--precision", choices=PRECISIONS[1:], default="float32")
    parser.add_argument("--microast", metavar="FOLDER", help="a clone of EndyWon/MicroAST, to measure it, too")
    parser.add_argument("--memory-of", choices=FORMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.memory_of:
        run_once(options.memory_of, options.sizes[0], options.precision)
        return
    print(f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    for size in options.sizes:
        compare(size, options.rounds, options.precision, options.microast)


if __name__ == "__main__":
    main()
