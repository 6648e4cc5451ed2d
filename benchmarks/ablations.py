"""The paper's ablations, small: what normalization in the decoder or concatenation instead of AdaIN does (section 7.1).

python -m benchmarks.ablations CONTENT_DIR STYLE_DIR [--steps 1000] [--crop-size 64] [--pairs 16]

Trains each kind of decoder from new weights with the paper's losses on the same crops, and measures it on images that
none of them was trained on.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from adain_core.devices import best_device
from adain_core.images.folders import Images, list_images
from adain_core.images.resize import center_crop
from adain_core.models.bundled import DEFAULT_ENCODER
from adain_core.models.model_files import load_encoder
from adain_core.training.config import TrainingConfig
from adain_core.training.data.samples import hold_out
from adain_core.training.evaluation import evaluate
from adain_core.training.trainer import Trainer

KINDS = {
    "AdaIN, no normalization": {},
    "instance normalization in the decoder": {"normalization": "instance"},
    "batch normalization in the decoder": {"normalization": "batch"},
    "concatenation instead of AdaIN": {"conditioning": "concatenation"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("content_folder")
    parser.add_argument("style_folder")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--crop-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--pairs", type=int, default=16)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    size = options.crop_size
    base = TrainingConfig(
        steps=options.steps,
        crop_sizes=((0, size),),
        resize=(size, 4 * size),
        learning_rate=options.learning_rate,
        schedule="cosine",
        warmup=50,
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
    print(f"{'':40}content   style    PSNR")
    for name, change in KINDS.items():
        encoder = load_encoder(DEFAULT_ENCODER).to(best_device())
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(encoder, replace(base, **change), *training, Path(folder) / "run")
            result = evaluate(encoder, trainer.train(), *pairs)
        print(f"{name:40}{result.content:7.3f} {sum(result.style):7.3f} {result.psnr:7.2f}", flush=True)


if __name__ == "__main__":
    main()
