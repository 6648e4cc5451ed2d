"""The paper's ablations, small: normalization in the decoder, and concatenation instead of AdaIN (section 7.1).

python -m benchmarks.ablations CONTENT_DIR STYLE_DIR [--steps 1000] [--crop-size 64] [--pairs 16] [--seeds 0 1 2]
    [-o NAME]

Trains each kind of decoder from new weights with the paper's losses on the same crops, for the same number of steps,
once for each seed, which decides weights and crops, and measures it on images that none of them was trained on. Writes
all losses to NAME.csv, and to NAME.png eq. 11 over the steps: means over the seeds, and from the lowest to the highest.
"""

from __future__ import annotations

import argparse
import csv
import logging
import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adain_core.devices import best_device
from adain_core.images.files import Picture, save_picture, to_tensor
from adain_core.images.folders import Images, list_images
from adain_core.images.resize import center_crop
from adain_core.method.adain import adain
from adain_core.method.losses import content_loss, style_loss
from adain_core.method.normalization import channel_statistics
from adain_core.models.bundled import VGG19_ENCODER
from adain_core.models.decoder import Decoder
from adain_core.models.model_files import load_encoder
from adain_core.models.vgg import VGGEncoder
from adain_core.training.config import TrainingConfig, training_precision
from adain_core.training.data.batches import stream
from adain_core.training.data.image_sets import TrainingImages
from adain_core.training.data.samples import hold_out
from adain_core.training.evaluation import evaluate, psnr
from adain_core.training.objective import Objective
from adain_core.training.optimization.initialization import scale_to_unit_variance
from adain_core.training.optimization.optimizers import make_optimizers, set_learning_rate
from adain_core.training.optimization.schedule import learning_rate
from adain_core.training.run.history import History, smooth
from adain_core.training.trainer import Trainer

from .line_plot import Line, line_plot

NORMALIZATIONS = {"Enc-AdaIN-Dec": "none", "Enc-AdaIN-INDec": "instance", "Enc-AdaIN-BNDec": "batch"}
CONCATENATION = "Enc-Concat-Dec"
SMOOTHING = 0.9  # of the curves

Figures = tuple[float, float, float]  # content loss, style loss and PSNR


class ConcatenationDecoder(Decoder):
    """Takes content and style features side by side, ``[B, 1024, h, w]``, instead of AdaIN's output."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        first = self.c[0]
        self.c[0] = nn.Conv2d(2 * first.in_channels, first.out_channels, 3)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for convolution in self.c:
                convolution.reset_parameters()

    def forward(self, features: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        x = features
        for k in range(len(self.c)):
            x = self.convolve(k, x)
            if k < len(self.c) - 1:
                x = F.relu(x)
        return x if size is None else x[..., : size[0], : size[1]]


def train_concatenation(
    encoder: VGGEncoder, config: TrainingConfig, content: Sequence[Path], style: Sequence[Path]
) -> tuple[ConcatenationDecoder, History]:
    """Trains as `Trainer` does, on the same crops and with the same losses, but gives the decoder both features."""
    device = next(encoder.parameters()).device
    config = replace(config, precision=training_precision(config.precision, device))
    encoder = encoder.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    pairs = TrainingImages.read(content, style, config).pairs
    objective = Objective(encoder, config)
    decoder = ConcatenationDecoder(config.seed).to(device).to(memory_format=torch.channels_last)
    (optimizer,) = make_optimizers(decoder, "adam")
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")
    history = History()

    def both(network: VGGEncoder, *images: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([network(x.to(next(network.parameters()).dtype)).float() for x in images], dim=1)

    for step, batch in enumerate(stream(pairs, range(config.steps), workers=0)):
        batch = replace(
            batch, **{k: getattr(batch, k).to(device, memory_format=torch.channels_last) for k in ("content", "style")}
        )
        if step == 0:
            scale_to_unit_variance(decoder, both(encoder, batch.content, batch.style))
        features = both(objective.encoder, batch.content, batch.style)
        schedule = config.schedule, config.steps, config.warmup, config.decay, config.final
        set_learning_rate([optimizer], learning_rate(step, config.learning_rate, *schedule))
        total, terms = objective(_Given(decoder, features), batch)
        history.append({name: float(term) for name, term in terms.items()})
        optimizer.zero_grad()
        scaler.scale(total).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(decoder.parameters(), config.clip or math.inf)
        scaler.step(optimizer)
        scaler.update()
    return decoder.eval(), history


class _Given(nn.Module):
    """A decoder that is given these features, whatever it is called with."""

    def __init__(self, decoder: nn.Module, features: Tensor) -> None:
        super().__init__()
        self.decoder, self.features = decoder, features

    def forward(self, _: Tensor) -> Tensor:
        return self.decoder(self.features)


@torch.no_grad()
def measure(encoder: VGGEncoder, decoder: ConcatenationDecoder, content: Tensor, style: Tensor) -> Figures:
    """As `evaluate` has them."""
    figures = []
    device = next(encoder.parameters()).device
    for x, y in zip(content.split(1), style.split(1), strict=True):
        x, y = x.to(device), y.to(device)
        features, taps = encoder(x), encoder.taps(y)
        found = encoder.taps(decoder(torch.cat([features, taps[-1]], dim=1)).clamp(0, 1))
        target = adain(features, channel_statistics(taps[-1]))
        again = decoder(torch.cat([features, features], dim=1)).clamp(0, 1)
        looks = [channel_statistics(tap) for tap in taps]
        figures.append(torch.stack([content_loss(found[-1], target), style_loss(found, looks), psnr(again, x)[0]]))
    mean_content, mean_style, mean_psnr = torch.stack(figures).double().mean(dim=0).tolist()
    return mean_content, mean_style, mean_psnr


def train(
    name: str, config: TrainingConfig, training: Sequence[Sequence[Path]], pairs: Sequence[Tensor]
) -> tuple[Figures, History]:
    """Trains one kind of decoder, and measures it on the held-out pairs."""
    encoder = load_encoder(VGG19_ENCODER).to(best_device())
    if name == CONCATENATION:
        decoder, history = train_concatenation(encoder, config, *training)
        return measure(encoder, decoder, *pairs), history
    with tempfile.TemporaryDirectory() as folder:
        config = replace(config, normalization=NORMALIZATIONS[name])
        trainer = Trainer(encoder, config, *training, Path(folder) / "run")
        result = evaluate(encoder, trainer.train(), *pairs)
    return (result.content, sum(result.style), result.psnr), trainer.history


def curve(totals: Sequence[Sequence[float]]) -> Line:
    """Mean, lowest and highest of several trainings' smoothed losses."""
    smoothed = [smooth(values, SMOOTHING) for values in totals]
    steps = list(range(1, len(smoothed[0]) + 1))
    at_steps = list(zip(*smoothed, strict=True))
    mean = [sum(values) / len(values) for values in at_steps]
    return Line(steps, mean, [min(values) for values in at_steps], [max(values) for values in at_steps])


def save_curves(output: Path, histories: dict[str, list[History]], seeds: Sequence[int]) -> None:
    """Writes NAME.csv and NAME.png."""
    columns = ("total", "content", "style")
    with output.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("decoder", "seed", "step", *columns))
        for name, trained in histories.items():
            for seed, history in zip(seeds, trained, strict=True):
                for step, losses in enumerate(zip(*map(history.column, columns), strict=True), 1):
                    writer.writerow((name, seed, step, *(f"{loss:.5g}" for loss in losses)))
    curves = {name: curve([history.column("total") for history in trained]) for name, trained in histories.items()}
    save_picture(output.with_suffix(".png"), Picture(to_tensor(line_plot(curves, "steps", "loss (eq. 11)", True))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("content_folder")
    parser.add_argument("style_folder")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--crop-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("-o", "--output", type=Path, metavar="NAME")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    size = options.crop_size
    base = TrainingConfig(
        steps=options.steps,
        crop_sizes=((0, size),),
        resize=(size, 4 * size),
        learning_rate=options.learning_rate,
        schedule="cosine",
        warmup=options.steps // 8,
        clip=100.0,
        save_every=0,
        preview_every=0,
    )
    training, held = zip(
        *(hold_out(list_images(f), options.pairs) for f in (options.content_folder, options.style_folder)), strict=True
    )
    if any(set(ours) & set(theirs) for ours, theirs in zip(training, held, strict=True)):
        parser.error(f"--pairs: expected at least {10 * options.pairs} images in each folder to hold that many out")
    pairs = [torch.stack([center_crop(Images([path], 8).read(0), 256) for path in side]) for side in held]
    print(f"{options.steps} steps, batch {base.batch_size} of {size}x{size}; {options.pairs} held-out pairs at 256x256")
    print(f"{'':20}{'content':22}{'style':22}PSNR")
    histories: dict[str, list[History]] = {}
    for name in (*NORMALIZATIONS, CONCATENATION):
        figures = []
        for seed in options.seeds:
            found, history = train(name, replace(base, seed=seed), training, pairs)
            figures.append(found)
            histories.setdefault(name, []).append(history)
        columns = (
            f"{sum(values) / len(values):.2f} ({min(values):.2f} to {max(values):.2f})"
            for values in zip(*figures, strict=True)
        )
        print(f"{name:20}" + "".join(f"{column:22}" for column in columns).rstrip(), flush=True)
        if options.output:
            save_curves(options.output, histories, options.seeds)


if __name__ == "__main__":
    main()
