"""The light pair in training: its losses, its samples, and runs that resume to the bit and leave a pair."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from adain_core import AdaINError, Stylizer
from adain_core.cli.main import main
from adain_core.method.normalization import Statistics, channel_statistics
from adain_core.models.bundled import PAIRS, VGG19_DECODER
from adain_core.models.tensor_files import read_metadata, read_safetensors
from adain_core.training.config import TrainingConfig
from adain_core.training.data.pools import POOL, PooledPairs
from adain_core.training.data.samples import Batch
from adain_core.training.light_pair import LightObjective, LightPair, normalized, relative_style_term
from adain_core.training.optimization.initialization import new_light_pair, scale_light_pair
from adain_core.training.optimization.muon import Muon
from adain_core.training.trainer import Trainer
from tests.adain_core.pictures import write_pictures
from tests.adain_core.training.runs import Stop, stop_at

pytestmark = pytest.mark.usefixtures("single_thread")

TINY = TrainingConfig(
    light=True,
    steps=5,
    batch_size=2,
    crop_sizes=((0, 32),),
    resize=(32, 40),
    identity_share=0.25,
    reconstruction_weight=100.0,
    range_weight=20.0,
    color_weight=10.0,
    optimizer="muon",
    learning_rate=0.003,
    schedule="cosine",
    clip=150.0,
    average=0.8,
    precision="float32",
    save_every=0,
    preview_every=0,
)


def batch_of(content, style, same=(False, False)):
    return Batch(content, style, torch.tensor(same), (0, 0), {}, [(0, 0), (1, 1)])


def test_the_style_term_is_relative_to_the_style():
    wanted = Statistics(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 0.0]]))
    found = Statistics(torch.tensor([[3.0, 5.0]]), torch.tensor([[2.0, 0.0]]))
    assert relative_style_term(found, wanted).item() == pytest.approx((1 + 4) / 2 / (25 / 2 + 0.3))
    assert relative_style_term(wanted, wanted) == 0


def test_normalized_features_know_no_contrast():
    x = torch.randn(2, 3, 16, 16) * torch.tensor([1.0, 5.0, 20.0])[:, None, None]
    found = normalized(3 * x + 7, channel_statistics(3 * x + 7))
    torch.testing.assert_close(found, normalized(x, channel_statistics(x)), atol=0.1, rtol=0.05)
    torch.testing.assert_close(found.mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)


def test_a_pair_that_changes_nothing(encoder):
    """Output = content, and style = content: no loss but that of values out of range."""
    content = torch.rand(2, 3, 32, 32)
    objective = LightObjective(encoder, TINY)
    total, terms = objective(lambda x, y: x, batch_of(content, content, (True, True)))
    assert total.item() == pytest.approx(0, abs=1e-5)
    assert {"content", "style", "style relu4_1", "reconstruction", "range", "color"} <= terms.keys()
    other = batch_of(torch.rand(2, 3, 32, 32), content)
    _, terms = LightObjective(encoder, TINY)(lambda x, y: y, other)
    assert terms["style"].item() == pytest.approx(0, abs=1e-5)
    assert terms["content"] > 0.5


def test_what_vgg_makes_of_a_crop_is_kept(encoder, monkeypatch):
    batch = batch_of(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    objective, seen = LightObjective(encoder, TINY), []
    taps = encoder.taps
    monkeypatch.setattr(encoder, "taps", lambda x: seen.append(len(x)) or taps(x))
    first, _ = objective(lambda x, y: x, batch)
    assert seen == [1, 1, 1, 1, 2]  # contents and styles one by one, then the outputs
    second, _ = objective(lambda x, y: x, batch)
    assert seen[5:] == [2]
    assert torch.equal(first, second)


def test_pools(folders):
    """Within a pool each crop comes as often, by the same number; what the number is of does not change."""
    config = replace(TINY, style_reuse=3)
    content, style = (sorted(folder.rglob("*.png")) for folder in folders)
    pairs = PooledPairs(content, style, config)
    numbers = [pairs._number("content", n) for n in range(2 * 3 * POOL)]
    assert sorted(numbers[: 3 * POOL]) == sorted([*range(POOL)] * 3)
    assert sorted(numbers[3 * POOL :]) == sorted([*range(POOL, 2 * POOL)] * 3)
    again = next(n for n in range(1, 3 * POOL) if numbers[n] == numbers[0])
    partners = [pairs._number("style", n) for n in (0, again)]
    assert torch.equal(pairs[0][0], pairs[again][0])
    assert partners[0] != partners[1]
    assert pairs.collate([pairs[0], pairs[again]]).crops == [(numbers[0], k) for k in partners]


def test_new_weights_have_unit_variance(folders):
    pair = new_light_pair(3)
    content, style = torch.rand(2, 2, 3, 32, 32)
    scale_light_pair(pair, content, style)
    found = pair(content, style)
    assert (found.mean() - 0.45).abs() < 0.15
    assert found.std().item() == pytest.approx(0.25, abs=0.05)
    assert 0.3 < pair.encoder(content).std() < 3


def test_kernels_keep_their_norm():
    weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
    before = weight.norm().item()
    optimizer = Muon([weight], lr=0.1, keep_norm=True)
    for _ in range(5):
        weight.grad = torch.randn_like(weight)
        optimizer.step()
    assert weight.norm().item() == pytest.approx(before, rel=1e-5)


def test_what_the_light_pair_has_not():
    for change in ({"feature_weight": 1.0}, {"anchor_weight": 1.0}, {"style_loss": "gram"}, {"normalization": "batch"}):
        (name,) = change
        with pytest.raises(AdaINError, match=f"{name}: expected .* with the light pair"):
            replace(TINY, **change)


def test_start_and_kind_must_fit(folders, encoder, start, tmp_path):
    with pytest.raises(AdaINError, match="start: expected the light pair to start from, found a decoder"):
        Trainer(encoder, TINY, *folders, tmp_path / "run", start=start)
    with pytest.raises(AdaINError, match="start: expected a decoder to start from, found the light pair"):
        Trainer(encoder, replace(TINY, light=False), *folders, tmp_path / "run", start=LightPair())


def files(run):
    return [read_safetensors(run / f"{kind}.safetensors")[0] for kind in ("encoder", "decoder")]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_resumed_equals_uninterrupted_to_the_bit(folders, encoder, tmp_path, precision):
    config = replace(TINY, precision=precision)
    whole = Trainer(encoder, config, *folders, tmp_path / "whole")
    whole.train()
    with pytest.raises(Stop):
        Trainer(encoder, config, *folders, tmp_path / "parts").train(stop_at(3))
    torch.manual_seed(99)
    resumed = Trainer(encoder, config, *folders, tmp_path / "parts", resume=True, workers=1)
    assert resumed.step == 3
    resumed.train()
    assert whole.history.rows == resumed.history.rows
    for first, second in zip(files(tmp_path / "whole"), files(tmp_path / "parts"), strict=True):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.slow
def test_the_command_leaves_a_pair(tmp_path, capsys):
    folders = [str(write_pictures(tmp_path / name, 4, seed=k)) for k, name in enumerate(("content", "style"))]
    run = tmp_path / "run"
    arguments = ["train", *folders, "-o", str(run), "--pair", "light", "--steps", "2", "--batch-size", "2"]
    arguments += [
        "--crop-size",
        "32",
        "--resize",
        "32",
        "40",
        "--optimizer",
        "muon",
        "--device",
        "cpu",
        "--workers",
        "0",
    ]
    assert main([*arguments, "--license", "CC0"]) == 0
    assert "2 of 2 steps, done" in capsys.readouterr().out
    stylizer = Stylizer.load(run / "encoder.safetensors", run / "decoder.safetensors", device="cpu")
    assert stylizer.encoder.architecture == "light"
    assert stylizer.stylize(torch.rand(1, 3, 20, 30), torch.rand(1, 3, 24, 24)).shape == (1, 3, 20, 30)
    for kind in ("encoder", "decoder"):
        metadata = read_metadata(run / f"{kind}.safetensors")
        assert (metadata["license"], metadata["steps"]) == ("CC0", "2")
    start = [str(run / f"{kind}.safetensors") for kind in ("encoder", "decoder")]
    arguments[4] = str(tmp_path / "more")
    assert main([*arguments, "--encoder", start[0], "--decoder", start[1], "--steps", "1"]) == 0
    capsys.readouterr()
    arguments[4] = str(tmp_path / "none")
    for wrong, message in (
        (["--decoder", start[1]], "expected --encoder and --decoder to start from, or neither"),
        (["--encoder", str(PAIRS["vgg19"].encoder), "--decoder", str(VGG19_DECODER)], "found a vgg19 one"),
        (["--anchor", start[1]], "and no --anchor"),
    ):
        assert main([*arguments, *wrong]) == 2
        assert message in capsys.readouterr().err
