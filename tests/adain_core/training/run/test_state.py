"""Checkpoints: what they hold, and which files are some."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from adain_core.errors import AdaINError
from adain_core.models.bundled import VGG19_DECODER
from adain_core.models.tensor_files import read_safetensors
from adain_core.training.run.state import is_state, load_state, saved_states
from adain_core.training.trainer import Trainer
from tests.adain_core.training.runs import TINY, Stop, equal, stop_at, weights

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.mark.slow
def test_checkpoints_are_safetensors_with_everything(folders, encoder, tmp_path):
    Trainer(encoder, TINY, *folders, tmp_path / "run").train()
    with safe_open(saved_states(tmp_path / "run/checkpoints")[-1], "pt") as file:
        keys, text = set(file.keys()), file.metadata()
    assert {"decoder.c.0.weight", "optimizer.0.0.exp_avg", "optimizer.0.0.step", "random.cpu", "history"} <= keys
    assert text["step"] == "6"
    assert json.loads(text["losses"])[:3] == ["total", "content", "style"]


@pytest.mark.slow
def test_checkpoints_of_version_1_0_0_resume_to_the_bit(folders, encoder, tmp_path):
    """Their configuration also says what the decoder is given."""
    whole = Trainer(encoder, TINY, *folders, tmp_path / "whole")
    whole.train()
    with pytest.raises(Stop):
        Trainer(encoder, TINY, *folders, tmp_path / "old").train(stop_at(3))
    (*_, newest) = saved_states(tmp_path / "old/checkpoints")
    tensors, text = read_safetensors(newest)
    text["config"] = json.dumps(json.loads(text["config"]) | {"conditioning": "adain"}, indent=1)
    save_file(tensors, newest, text)
    (tmp_path / "old/config.json").write_text(text["config"], encoding="utf-8")
    resumed = Trainer(encoder, TINY, *folders, tmp_path / "old", resume=True)
    assert resumed.step == 3
    resumed.train()
    assert equal(weights(whole.folder.decoder), weights(resumed.folder.decoder))
    assert whole.history.rows == resumed.history.rows


def test_only_files_named_by_step_are_checkpoints(tmp_path):
    names = ["step-100000000", "step-00000010", "step-00000002"]
    for name in [*names, "step-1", "step-best", "step-00000003-copy", "other-00000001", ".step-00000004"]:
        (tmp_path / f"{name}.safetensors").touch()
    (tmp_path / "step-00000005.broken").touch()
    assert [path.stem for path in saved_states(tmp_path)] == names[::-1]
    assert saved_states(tmp_path / "nowhere") == []


def test_other_safetensors_files_are_no_checkpoints(tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(VGG19_DECODER.read_bytes()[:1000])
    save_file({"x": torch.zeros(1)}, tmp_path / "plain.safetensors")
    for path in (VGG19_DECODER, cut, tmp_path / "plain.safetensors"):
        assert not is_state(path)
        with pytest.raises(AdaINError):
            load_state(path)
