"""The configuration: the paper's by default, through JSON and back, and what it refuses."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields, replace

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.training.config import (
    CHOICES,
    MAY_CHANGE,
    RANGES,
    TrainingConfig,
    UnsupportedTraining,
    training_precision,
)


def test_defaults_are_the_papers():
    config = TrainingConfig()
    assert (config.steps, config.batch_size, config.largest_crop, config.resize) == (160_000, 8, 256, (512, 512))
    assert (config.content_weight, config.style_weight, config.style_layers) == (1, 10, (1, 1, 1, 1))
    assert (config.optimizer, config.learning_rate, config.schedule, config.decay) == ("adam", 1e-4, "decay", 5e-5)
    guards = (
        "identity_share",
        "reconstruction_weight",
        "feature_weight",
        "range_weight",
        "color_weight",
        "grid_weight",
    )
    assert not any(getattr(config, name) for name in guards)


def test_json_and_back():
    config = TrainingConfig(
        crop_sizes=((0, 64), (10, 128)),
        resize=(128, 512),
        content_layers=(0.5, 1, 2, 1),
        style_layers=(1.5, 1.2, 0.8, 1.0),
    )
    assert TrainingConfig.from_json(config.to_json()) == config


def test_configurations_of_version_1_0_0():
    """They say what the decoder is given; only AdaIN's output is left."""
    config = TrainingConfig(steps=7, style_loss="gram")
    old = asdict(config) | {"conditioning": "adain"}
    assert TrainingConfig.from_json(json.dumps(old)) == config
    old["conditioning"] = "concatenation"
    with pytest.raises(UnsupportedTraining, match=r"found 'concatenation', with which only benchmarks/ablations\.py"):
        TrainingConfig.from_json(json.dumps(old))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"steps": 1}', "null"])
def test_other_text_is_refused(text):
    with pytest.raises(AdaINError, match="expected a training configuration"):
        TrainingConfig.from_json(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("keep", 0),
        ("seed", -1),
        ("seed", 2**64),
        ("save_every", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("identity_share", 1.5),
        ("range_weight", -1.0),
        ("style_weight", float("inf")),
        ("content_layers", (0, 0, 1)),
        ("content_layers", (0, 0, -1, 1)),
        ("style_layers", (1, 1, 1)),
        ("style_layers", (1, 1, 1, -1)),
        ("resize", (512, 256)),
        ("crop_sizes", ()),
        ("crop_sizes", ((0, 100),)),
        ("style_loss", "mmd"),
        ("optimizer", "sgd"),
        ("precision", "int8"),
        ("normalization", "layer"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(name, value):
    with pytest.raises(AdaINError, match=name.split("_")[0]):
        TrainingConfig(**{name: value})


def test_every_number_has_a_range_and_every_name_a_choice():
    kinds = {field.name: field.type for field in fields(TrainingConfig)}
    assert {name for name, kind in kinds.items() if kind in ("int", "float")} == set(RANGES)
    assert {name for name, kind in kinds.items() if kind == "str"} == set(CHOICES)


@pytest.mark.parametrize("name", sorted(RANGES))
def test_ranges_are_checked_at_both_ends(name):
    limits = RANGES[name]
    outside = [limits.low if limits.above else limits.low - 1, limits.high + 1, math.nan]
    inside = [math.ulp(limits.low) if limits.above else limits.low]
    inside += [limits.high] if limits.high < math.inf else []
    for value in outside:
        with pytest.raises(AdaINError, match=f"{name}: expected {limits}, found {value}"):
            TrainingConfig(**{name: value})
    for value in inside:
        assert getattr(TrainingConfig(**{name: value}), name) == value


def test_a_training_without_any_loss_is_refused():
    for weights in (
        {"content_weight": 0, "style_weight": 0, "reconstruction_weight": 1, "identity_share": 0},
        {"content_weight": 0, "style_layers": (0, 0, 0, 0)},
        {"content_layers": (0, 0, 0, 0), "style_weight": 0},
    ):
        with pytest.raises(AdaINError, match="losses: expected one with a weight above 0"):
            TrainingConfig(**weights)


def test_resuming_may_change_length_and_files_only():
    saved = TrainingConfig()
    replace(saved, steps=5, save_every=7, preview_every=0, keep=1).check_resumable(saved)
    for field in fields(TrainingConfig):
        if field.name in MAY_CHANGE:
            continue
        other = {
            "content_layers": (1, 1, 1, 1),
            "style_layers": (2, 1, 1, 1),
            "resize": (256, 512),
            "crop_sizes": ((0, 128),),
            "augment_styles": True,
        }
        other |= {"style_loss": "gram", "optimizer": "muon", "schedule": "cosine", "normalization": "batch"}
        other |= {"precision": "float32"}
        value = other.get(field.name, getattr(saved, field.name) + 0.5 if field.type == "float" else 3)
        if field.name == "identity_share":
            value = 0.5
        with pytest.raises(AdaINError, match=rf"started with \({field.name} "):
            replace(saved, **{field.name: value}).check_resumable(saved)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({}, "float32"), ({"amx_bf16": True}, "bfloat16"), ({"avx512_bf16": True, "amx_bf16": False}, "bfloat16")],
)
def test_precision_auto_on_the_cpu(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert training_precision("auto", torch.device("cpu")) == expected


def test_precision_elsewhere():
    assert training_precision("auto", torch.device("cuda")) == "float16"
    assert training_precision("float32", torch.device("cuda")) == "float32"
    with pytest.raises(AdaINError, match="found float16"):
        training_precision("float16", torch.device("cpu"))
