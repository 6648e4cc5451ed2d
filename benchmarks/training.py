"""Steps per second of the trainer against a plain training loop, and where the time goes.

python -m benchmarks.training [--crop-size 128] [--batch-size 8] [--steps 8] [--threads N]

The plain loop is the paper's loss written down directly: default memory format, content and style encoded in one
batch with all taps, Adam. Both see the same batches, in turns, in one process; each figure is the mean over steps, of
which the trainer encodes new styles in every fourth.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from adain_core.method.normalization import adaptive_instance_norm, channel_statistics
from adain_core.models.bundled import VGG19_DECODER, VGG19_ENCODER
from adain_core.models.model_files import load_decoder, load_encoder
from adain_core.training.config import TrainingConfig
from adain_core.training.data.samples import Batch
from adain_core.training.trainer import Trainer

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_CONVOLUTIONS = ("aten::mkldnn_convolution", "aten::convolution_backward", "aten::cudnn_convolution")


def plain_loop(precision: str) -> Callable[[Batch], None]:
    """A step of the loop one writes first."""
    encoder, decoder = load_encoder(VGG19_ENCODER), load_decoder(VGG19_DECODER).requires_grad_(True)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-4)
    dtype = PRECISIONS[precision]

    def step(batch: Batch) -> None:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            taps = encoder.taps(torch.cat([batch.content, batch.style]))
            content, style = taps[-1].chunk(2)
            target = adaptive_instance_norm(content, channel_statistics(style))
            output = encoder.taps(decoder(target))
        loss = F.mse_loss(output[-1].float(), target.float())
        for ours, tap in zip(output, taps, strict=True):
            found, wanted = channel_statistics(ours), channel_statistics(tap.chunk(2)[1])
            loss = loss + 10 * (F.mse_loss(found.mean, wanted.mean) + F.mse_loss(found.std, wanted.std))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def trainer_step(precision: str, crop: int, batch: int, folder: str) -> tuple[Callable[[Batch], None], Trainer]:
    config = TrainingConfig(steps=100, crop_sizes=((0, crop),), batch_size=batch, precision=precision)
    sources = (sorted(EXAMPLES.glob(f"{kind}_*.jpg")) for kind in ("content", "style"))
    trainer = Trainer(load_encoder(VGG19_ENCODER), config, *sources, folder, start=load_decoder(VGG19_DECODER))
    return trainer.step_on, trainer


def seconds(step: Callable[[Batch], None], batch: Batch) -> float:
    begun = time.perf_counter()
    step(batch)
    return time.perf_counter() - begun


def share_of_convolutions(step: Callable[[Batch], None], batch: Batch) -> list[tuple[str, float]]:
    """The operators by their share of the time, convolutions summed up first."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        step(batch)
    times = {event.key: event.self_cpu_time_total for event in found.key_averages()}
    total = sum(times.values())
    convolutions = sum(times.pop(name, 0) for name in _CONVOLUTIONS)
    others = sorted(times.items(), key=lambda item: -item[1])[:6]
    return [("convolutions", convolutions / total), *((name, value / total) for name, value in others)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crop-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8, help="timed steps of each (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="default: PyTorch's; 1 is steadier on a busy machine")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    crop, size = options.crop_size, options.batch_size
    print(f"batch {size} of {crop}x{crop}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    for precision in PRECISIONS:
        with tempfile.TemporaryDirectory() as folder:
            plain = plain_loop(precision)
            ours, trainer = trainer_step(precision, crop, size, folder)
            batches = [trainer.batch(k) for k in range(options.steps)]
            for step in (plain, ours):
                step(trainer.batch(options.steps))
            times = [(seconds(plain, batch), seconds(ours, batch)) for batch in batches]
            slow, fast = (statistics.mean(column) for column in zip(*times, strict=True))
            print(
                f"\n{precision}: plain {1 / slow:.3f} steps/s, trainer {1 / fast:.3f} steps/s, {slow / fast:.2f} times"
            )
            for name, share in share_of_convolutions(ours, batches[0]):
                print(f"  {100 * share:5.1f} %  {name}")


if __name__ == "__main__":
    main()
