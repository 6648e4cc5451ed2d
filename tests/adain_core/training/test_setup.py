"""What a training refuses or warns of before it begins."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.models.bundled import VGG19_DECODER, VGG19_ENCODER
from adain_core.models.model_files import load_decoder, load_encoder
from adain_core.training.trainer import Trainer
from tests.adain_core.pictures import write_pictures
from tests.adain_core.training.runs import TINY

pytestmark = pytest.mark.usefixtures("single_thread")


def test_resuming_from_another_decoder_is_refused(folders, encoder, start, tmp_path):
    config = replace(TINY, steps=2, anchor_weight=1.0)
    Trainer(encoder, config, *folders, tmp_path / "run", start=start, anchor=start).train()
    other = load_decoder(VGG19_DECODER)
    with torch.no_grad():
        other.c[0].bias += 1
    for name, decoders in (("decoder", (other, start)), ("anchor", (start, other))):
        with pytest.raises(AdaINError, match=rf"{name}: expected the one that the run in \S*run was started with"):
            Trainer(encoder, config, *folders, tmp_path / "run", *decoders, resume=True)
    Trainer(encoder, config, *folders, tmp_path / "run", start, start, resume=True)


def test_models_in_half_precision_train_in_float32(folders, encoder, start, tmp_path):
    trainer = Trainer(encoder.half(), TINY, *folders, tmp_path / "run", start=start.half())
    assert trainer.step_on(trainer.batch(0))["total"].isfinite()
    assert next(encoder.parameters()).dtype == torch.float16


def test_the_anchor_of_a_run_stays(folders, encoder, start, tmp_path):
    """Without one, the decoder to start from is the anchor: it must not take another's place when a run is resumed."""
    config = replace(TINY, steps=1, anchor_weight=1.0)
    other = load_decoder(VGG19_DECODER)
    with torch.no_grad():
        other.c[0].bias += 1
    Trainer(encoder, config, *folders, tmp_path / "a", start=start, anchor=other).train()
    with pytest.raises(AdaINError, match=r"anchor: expected the one .* or give that one to go on"):
        Trainer(encoder, config, *folders, tmp_path / "a", start=start, resume=True)
    Trainer(encoder, config, *folders, tmp_path / "a", anchor=other, resume=True)
    Trainer(encoder, config, *folders, tmp_path / "b", start=start).train()
    with pytest.raises(AdaINError, match="anchor: expected the one"):
        Trainer(encoder, config, *folders, tmp_path / "b", start=start, anchor=other, resume=True)
    Trainer(encoder, config, *folders, tmp_path / "b", anchor=start, resume=True)


def test_resuming_with_other_images_is_warned_of(folders, encoder, tmp_path):
    Trainer(encoder, replace(TINY, steps=1), *folders, tmp_path / "run").train()
    again = Trainer(encoder, TINY, *folders, tmp_path / "run", resume=True)
    assert again.warnings == []
    more = write_pictures(tmp_path / "content", 7)
    other = Trainer(encoder, TINY, more, folders[1], tmp_path / "run", resume=True)
    assert other.warnings == ["the content images are others than when the run was started"]


def test_mixing_up_runs_is_refused(folders, encoder, tmp_path):
    Trainer(encoder, replace(TINY, steps=1), *folders, tmp_path / "run").train()
    with pytest.raises(AdaINError, match="expected a new folder, found a run with checkpoints"):
        Trainer(encoder, TINY, *folders, tmp_path / "run")
    with pytest.raises(AdaINError, match=r"started with \(seed 0\), found seed 7"):
        Trainer(encoder, replace(TINY, seed=7), *folders, tmp_path / "run", resume=True)
    other = load_encoder(VGG19_ENCODER)
    other.fingerprint = "0" * 16
    with pytest.raises(AdaINError, match="one encoder"):
        Trainer(other, TINY, *folders, tmp_path / "run", resume=True)


def test_a_run_among_the_images_is_refused(folders, encoder, tmp_path):
    """Resumed, it would train on its own previews."""
    content = write_pictures(tmp_path / "content", 4)
    for given in ((content, folders[1]), (folders[0], content)):
        with pytest.raises(AdaINError, match=r"run: expected a folder outside \S*content, whose images are trained on"):
            Trainer(encoder, TINY, *given, content / "runs/run")
    assert not (content / "runs").exists()
    Trainer(encoder, TINY, content, folders[1], tmp_path / "content of another/run")


def test_starting_decoders_must_fit(folders, encoder, start, tmp_path):
    with pytest.raises(AdaINError, match="decoder: expected normalization instance as configured, found none"):
        Trainer(encoder, replace(TINY, normalization="instance"), *folders, tmp_path / "run", start=start)
    with pytest.raises(AdaINError, match="expected an anchor decoder"):
        Trainer(encoder, replace(TINY, anchor_weight=1), *folders, tmp_path / "run")
    start.trained_for = "0" * 16
    with pytest.raises(AdaINError, match="one encoder"):
        Trainer(encoder, TINY, *folders, tmp_path / "run", start=start)


def test_few_steps_from_nothing_are_warned_of(folders, encoder, start, tmp_path):
    assert "grey" in Trainer(encoder, TINY, *folders, tmp_path / "a").warnings[0]
    assert Trainer(encoder, TINY, *folders, tmp_path / "b", start=start).warnings == []
    assert Trainer(encoder, replace(TINY, steps=100_000), *folders, tmp_path / "c").warnings == []
