"""A training in one call."""

from __future__ import annotations

import logging

import pytest
import torch

from adain_core import Stylizer, train
from adain_core.training.config import TrainingConfig
from adain_core.training.trainer import Trainer
from tests.adain_core.pictures import write_pictures

TINY = TrainingConfig(
    steps=4, batch_size=2, crop_sizes=((0, 32),), resize=(32, 40), learning_rate=1e-3, precision="float32", save_every=2
)


class Stop(Exception):
    pass


@pytest.mark.slow
@pytest.mark.usefixtures("single_thread")
def test_it_equals_a_trainer_and_resumes(tmp_path):
    folders = write_pictures(tmp_path / "content", 4), write_pictures(tmp_path / "style", 3, seed=1)
    pair = Stylizer.load(device="cpu")
    expected = Trainer(pair.encoder, TINY, *folders, tmp_path / "expected", start=pair.decoder).train()

    def stop(progress):
        if progress.step == 3:
            raise Stop

    run = tmp_path / "run"
    with pytest.raises(Stop):
        train(*folders, run, TINY, pair.encoder, pair.decoder, report=stop)
    steps = []
    decoder = train(*folders, run, TINY, pair.encoder, pair.decoder, resume=True, report=lambda p: steps.append(p.step))
    assert steps == [4]
    assert not decoder.training
    for name, weight in expected.state_dict().items():
        torch.testing.assert_close(decoder.state_dict()[name], weight, rtol=0, atol=0)

    content = torch.rand(1, 3, 24, 32)
    trained = Stylizer.load(decoder=run / "decoder.safetensors", device="cpu")
    assert not torch.equal(trained.stylize(content, content), pair.stylize(content, content))


@pytest.mark.slow
@pytest.mark.usefixtures("single_thread")
def test_it_takes_the_bundled_encoder_and_says_what_to_know_first(tmp_path, caplog):
    folders = write_pictures(tmp_path / "content", 4), write_pictures(tmp_path / "style", 3, seed=1)
    with caplog.at_level(logging.WARNING):
        decoder = train(*folders, tmp_path / "run", TINY)
    assert decoder.trained_for == Stylizer.load(device="cpu", pair="vgg19").encoder.fingerprint
    assert "4 steps from new weights will leave grey pictures" in caplog.text
