"""Trainings of seconds, and what came of them."""

from __future__ import annotations

from dataclasses import replace

import torch

from adain_core.models.model_files import load_decoder
from adain_core.training.config import TrainingConfig

TINY = TrainingConfig(
    steps=6,
    batch_size=2,
    crop_sizes=((0, 32),),
    resize=(32, 40),
    learning_rate=1e-3,
    precision="float32",
    save_every=2,
    preview_every=0,
    keep=2,
)
REGULARIZED = replace(
    TINY,
    optimizer="muon",
    schedule="cosine",
    warmup=2,
    clip=5.0,
    crop_sizes=((0, 16), (3, 32)),
    augment_styles=True,
    identity_share=0.5,
    reconstruction_weight=10.0,
    feature_weight=1.0,
    range_weight=10.0,
    color_weight=1.0,
    anchor_weight=10.0,
)


def weights(path):
    return load_decoder(path).state_dict()


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


class Stop(Exception):
    pass


def stop_at(step):
    def report(progress):
        if progress.step == step:
            raise Stop

    return report
