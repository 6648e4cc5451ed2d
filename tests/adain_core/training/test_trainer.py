"""The trainer on tiny crops: it learns, is reproducible, resumes to the bit, and stops as it should."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace

import pytest
import torch

from adain_core import Stylizer
from adain_core.cli.train import stop_on_signals
from adain_core.models.model_files import load_decoder
from adain_core.models.tensor_files import read_metadata
from adain_core.training import trainer as trainer_module
from adain_core.training.config import TrainingConfig
from adain_core.training.data.batches import stream
from adain_core.training.data.samples import Pairs
from adain_core.training.run import folder as run_folder
from adain_core.training.run.state import load_state, saved_states
from adain_core.training.trainer import Trainer, TrainingDiverged
from tests.adain_core.pictures import read_png, write_pictures
from tests.adain_core.training.runs import REGULARIZED, TINY, Stop, equal, stop_at, weights

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.mark.slow
def test_a_run_leaves_a_folder_that_stylizes(folders, encoder, tmp_path):
    config = replace(TINY, preview_every=3)
    trainer = Trainer(encoder, config, *folders, tmp_path / "run", info={"license": "CC0"})
    shown = []
    decoder = trainer.train(lambda progress: shown.append(progress))
    assert [progress.step for progress in shown] == list(range(1, 7))
    assert [progress.preview is not None for progress in shown] == [False, False, True, False, False, True]
    assert shown[-1].seconds_left == 0
    assert shown[-1].steps_per_second > 0
    assert "step 6/6  content" in str(shown[-1])
    assert not decoder.training
    assert equal(decoder.state_dict(), weights(trainer.folder.decoder))
    out = Stylizer.load(decoder=trainer.folder.decoder, device="cpu").stylize(
        torch.rand(1, 3, 40, 30), torch.rand(1, 3, 32, 32)
    )
    assert out.shape == (1, 3, 40, 30)

    metadata = read_metadata(trainer.folder.decoder)
    assert metadata["encoder"] == encoder.fingerprint
    assert metadata["steps"] == "6"
    assert metadata["license"] == "CC0"
    assert TrainingConfig.from_json(metadata["training"]) == config
    assert json.loads(metadata["held_out"])["psnr"] == trainer.evaluation.psnr

    run = tmp_path / "run"
    assert [path.name for path in saved_states(run / "checkpoints")] == [
        "step-00000004.safetensors",
        "step-00000006.safetensors",
    ]
    assert {path.suffix for path in run.rglob("*") if path.is_file()} == {".safetensors", ".json", ".png"}
    assert [path.name for path in sorted((run / "previews").iterdir())] == ["step-00000003.png", "step-00000006.png"]
    assert read_png(run / "preview.png").size == (4 * 36 + 4, 4 * 36 + 4 + 22)
    assert read_png(run / "losses.png").size == (900, 480)
    assert TrainingConfig.from_json((run / "config.json").read_text()) == config
    curves = json.loads((run / "history.json").read_text())
    assert curves["step"] == [1, 2, 3, 4, 5, 6]
    assert curves["content"] == pytest.approx(trainer.history.column("content"))


@pytest.mark.slow
def test_training_lowers_the_loss(folders, encoder, tmp_path):
    # The same two pairs again and again: the loss must fall by much.
    alone = {"content_weight": 0, "style_weight": 0, "identity_share": 1.0, "reconstruction_weight": 1.0}
    config = replace(TINY, steps=25, save_every=0, resize=(32, 32), optimizer="muon", learning_rate=0.005, **alone)
    trainer = Trainer(encoder, config, *folders, tmp_path / "run")
    trainer.train()
    losses = trainer.history.column("reconstruction")
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("config", [TINY, REGULARIZED, replace(REGULARIZED, precision="bfloat16", average=0.8, seed=5)])
def test_resumed_equals_uninterrupted_to_the_bit(config, folders, encoder, start, tmp_path):
    start = start if config.anchor_weight else None
    whole = Trainer(encoder, config, *folders, tmp_path / "whole", start=start)
    whole.train()
    with pytest.raises(Stop):
        Trainer(encoder, config, *folders, tmp_path / "parts", start=start).train(stop_at(3))
    torch.manual_seed(99)  # another process would be in another random state
    resumed = Trainer(encoder, config, *folders, tmp_path / "parts", start=start, resume=True, workers=1)
    assert resumed.step == 3
    resumed.train()
    assert equal(weights(whole.folder.decoder), weights(resumed.folder.decoder))
    assert whole.history.rows == resumed.history.rows
    first, second = (load_state(saved_states(run.folder.path / "checkpoints")[-1]).tensors for run in (whole, resumed))
    first.pop("random.cpu"), second.pop("random.cpu")
    assert equal(first, second)


@pytest.mark.slow
def test_the_mean_of_the_weights_is_what_is_saved(folders, encoder, tmp_path):
    trainer = Trainer(encoder, replace(TINY, average=0.9), *folders, tmp_path / "run")
    result = trainer.train()
    saved, last = weights(trainer.folder.decoder), trainer.network.state_dict()
    assert equal(saved, result.state_dict())
    assert not equal(saved, last)
    state = load_state(trainer.folder.checkpoints[-1]).tensors
    assert equal(saved, {key.removeprefix("mean."): state[key] for key in state if key.startswith("mean.")})
    assert equal(last, {key.removeprefix("decoder."): state[key] for key in state if key.startswith("decoder.")})


@pytest.mark.slow
def test_seeds_decide_weights_and_data(folders, encoder, tmp_path):
    def run(name, seed):
        trainer = Trainer(encoder, replace(TINY, steps=2, seed=seed), *folders, tmp_path / name)
        trainer.train()
        return weights(trainer.folder.decoder), trainer.history.rows

    first, again, other = run("a", 1), run("b", 1), run("c", 2)
    assert equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[1] != other[1]


def test_random_state_is_restored(folders, encoder, tmp_path):
    with pytest.raises(Stop):
        Trainer(encoder, TINY, *folders, tmp_path / "run").train(stop_at(1))
    saved = load_state(saved_states(tmp_path / "run/checkpoints")[-1]).tensors["random.cpu"]
    torch.manual_seed(1234)
    Trainer(encoder, TINY, *folders, tmp_path / "run", resume=True)
    assert torch.equal(torch.get_rng_state(), saved)


def test_the_decoder_is_there_from_the_start(folders, encoder, start, tmp_path):
    def look(progress):
        assert equal(weights(tmp_path / "run/decoder.safetensors"), start.state_dict())
        assert equal(weights(tmp_path / "list/mine.safetensors"), start.state_dict())
        raise Stop

    config = replace(TINY, save_every=0)
    trainer = Trainer(
        encoder, config, *folders, tmp_path / "run", start=start, export=tmp_path / "list/mine.safetensors"
    )
    with pytest.raises(Stop):
        trainer.train(look)
    # ... and what was learned is kept when it is stopped.
    assert not equal(weights(tmp_path / "run/decoder.safetensors"), start.state_dict())
    assert equal(weights(tmp_path / "run/decoder.safetensors"), weights(tmp_path / "list/mine.safetensors"))
    assert load_state(saved_states(tmp_path / "run/checkpoints")[-1]).step == 1


def test_request_stop_ends_after_the_step(folders, encoder, tmp_path):
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run")
    trainer.train(lambda progress: trainer.request_stop() if progress.step == 2 else None)
    assert trainer.step in (2, 3)
    assert not trainer.done
    assert load_state(saved_states(tmp_path / "run/checkpoints")[-1]).step == trainer.step


@pytest.mark.slow
def test_a_longer_training_goes_on(folders, encoder, tmp_path):
    Trainer(encoder, replace(TINY, steps=2), *folders, tmp_path / "run").train()
    longer = Trainer(encoder, replace(TINY, steps=4), *folders, tmp_path / "run", resume=True)
    longer.train()
    assert (longer.step, len(longer.history)) == (4, 4)


@pytest.mark.slow
@pytest.mark.parametrize("fails", ["save_model", "save_state"])
def test_a_crash_while_saving_the_last_step_leaves_nothing_stale(fails, folders, encoder, tmp_path, monkeypatch):
    """Killed between decoder and checkpoint, the resumed run has both of the last step."""
    files = tmp_path / "run/decoder.safetensors", tmp_path / "list/mine.safetensors"
    whole = Trainer(encoder, TINY, *folders, tmp_path / "whole")
    whole.train()
    save = getattr(run_folder, fails)

    def crash(*arguments):
        if trainer.step == TINY.steps:
            raise Stop
        save(*arguments)

    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run", export=files[1])
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, fails, crash)
        with pytest.raises(Stop):
            trainer.train()
    Trainer(encoder, TINY, *folders, tmp_path / "run", resume=True, export=files[1]).train()
    for path in files:
        assert read_metadata(path)["steps"] == str(TINY.steps)
        assert equal(weights(path), weights(whole.folder.decoder))


@pytest.mark.slow
def test_a_finished_run_writes_a_lost_decoder_again(folders, encoder, tmp_path):
    export = tmp_path / "list/mine.safetensors"
    Trainer(encoder, TINY, *folders, tmp_path / "run", export=export).train()
    export.unlink()
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run", resume=True, export=export)
    trainer.train()
    assert equal(weights(export), trainer.network.state_dict())


@pytest.mark.slow
def test_the_first_ctrl_c_is_heard_while_workers_hang(folders, encoder, tmp_path, monkeypatch):
    sample = Pairs.__getitem__

    def hanging(pairs, number):
        if number >= 2 * TINY.batch_size:
            time.sleep(1000)
        return sample(pairs, number)

    monkeypatch.setattr(Pairs, "__getitem__", hanging)
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run", workers=1)

    def interrupt():
        while trainer.step < 2 or not trainer.waiting:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with stop_on_signals(trainer) as received:
        trainer.train()
    thread.join()
    assert received == [signal.SIGINT]
    assert trainer.step == len(trainer.history.rows) == 2
    assert load_state(trainer.folder.checkpoints[-1]).step == 2


@pytest.fixture
def killed():
    """The SIGTERMs that would have ended the process."""
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    yield received
    signal.signal(signal.SIGTERM, before)


def test_sigterm_may_come_again(folders, encoder, tmp_path, killed):
    """A scheduler sends it to torchrun and to its processes, and torchrun sends it on to these."""
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run")

    def report(progress):
        if progress.step == 2:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)

    with stop_on_signals(trainer) as received:
        trainer.train(report)
    assert (received, killed) == ([signal.SIGTERM] * 2, [])
    assert load_state(trainer.folder.checkpoints[-1]).step == trainer.step == 3


def test_sigterm_may_come_again_while_a_training_that_waited_is_saved(folders, encoder, tmp_path, killed, monkeypatch):
    def stopped_at(batches):
        yield next(batches)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1000)

    def save():
        os.kill(os.getpid(), signal.SIGTERM)
        Trainer.save(trainer)

    monkeypatch.setattr(trainer_module, "stream", lambda *given, **more: stopped_at(stream(*given, **more)))
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run")
    trainer.save()
    with stop_on_signals(trainer) as received:
        monkeypatch.setattr(trainer, "save", save)
        trainer.train()
    assert (received, killed) == ([signal.SIGTERM] * 2, [])
    assert load_state(trainer.folder.checkpoints[-1]).step == 1


@pytest.mark.slow
def test_figures_in_the_decoder_are_of_its_own_step(folders, encoder, tmp_path):
    config = replace(TINY, save_every=1, preview_every=2)
    found = {}

    def look(progress):
        found[progress.step] = "held_out" in read_metadata(tmp_path / "run/decoder.safetensors")
        if progress.step == 2:
            trainer.request_stop()  # heard after the next step

    trainer = Trainer(encoder, config, *folders, tmp_path / "run")
    trainer.train(look)
    assert found == {1: False, 2: True, 3: False}
    held_out = json.loads(read_metadata(trainer.folder.decoder)["held_out"])  # it ends with a preview
    assert held_out["psnr"] == trainer.evaluation.psnr


def test_losses_that_are_no_numbers_stop_with_step_and_checkpoint(folders, encoder, tmp_path):
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run")

    def spoil(progress):
        if progress.step == 3:
            with torch.no_grad():
                trainer.network.c[0].bias[0] = torch.inf

    with pytest.raises(TrainingDiverged, match=r"content.* not finite at step 4; .*step-00000002\.safetensors"):
        trainer.train(spoil)
    assert all(value.isfinite().all() for value in weights(trainer.folder.decoder).values())


def test_overflow_of_one_optimizers_gradients_spoils_no_weights(folders, encoder, tmp_path):
    """In float16 the scaler makes Muon leave out the step; the clipped gradients are Adam's, too."""
    trainer = Trainer(encoder, replace(TINY, optimizer="muon", clip=1.0), *folders, tmp_path / "run")
    trainer._scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    before = trainer.network.c[0].weight.detach().clone()
    handle = trainer.network.c[0].weight.register_hook(lambda gradient: gradient * torch.nan)
    trainer.step_on(trainer.batch(0))
    handle.remove()
    assert all(weight.isfinite().all() for weight in trainer.network.parameters())
    assert torch.equal(trainer.network.c[0].weight, before)
    trainer.step_on(trainer.batch(1))
    assert not torch.equal(trainer.network.c[0].weight, before)


def test_weights_that_are_no_numbers_are_never_saved(folders, encoder, tmp_path):
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run")

    def spoil(progress):
        with torch.no_grad():
            trainer.network.c[0].bias[0] = torch.nan
        raise Stop

    with pytest.raises(TrainingDiverged, match=r"a weight not finite at step 1"):
        trainer.train(spoil)
    assert saved_states(tmp_path / "run/checkpoints")[-1].name == "step-00000000.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize("normalization", ["instance", "batch"])
def test_ablations_train_and_resume(normalization, folders, encoder, tmp_path):
    config = replace(TINY, steps=2, normalization=normalization)
    trainer = Trainer(encoder, config, *folders, tmp_path / "run")
    trainer.train()
    decoder = load_decoder(trainer.folder.decoder, encoder.fingerprint)
    assert decoder.normalization == normalization
    whole = Trainer(encoder, replace(config, steps=3), *folders, tmp_path / "whole")
    whole.train()
    resumed = Trainer(encoder, replace(config, steps=3), *folders, tmp_path / "run", resume=True)
    resumed.train()
    assert equal(weights(whole.folder.decoder), weights(resumed.folder.decoder))


@pytest.mark.slow
def test_skipped_files_are_named(folders, encoder, tmp_path):
    content = write_pictures(tmp_path / "content", 3)
    (content / "aaa.png").write_bytes(b"")
    trainer = Trainer(encoder, TINY, content, folders[1], tmp_path / "run", workers=1)
    trainer.train()
    assert list(trainer.skipped) == [str(content / "aaa.png")]
    assert str(content / "aaa.png") in json.loads((tmp_path / "run/history.json").read_text())["skipped"]
