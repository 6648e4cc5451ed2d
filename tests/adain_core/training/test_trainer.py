"""The trainer on tiny crops: it learns, is reproducible, resumes to the bit, and stops as it should."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from adain_core import Stylizer
from adain_core.errors import AdaINError
from adain_core.models.bundled import DEFAULT_DECODER, DEFAULT_ENCODER
from adain_core.models.decoder import Decoder
from adain_core.models.model_files import load_decoder, load_encoder
from adain_core.models.tensor_files import read_metadata
from adain_core.training.config import TrainingConfig, training_precision
from adain_core.training.run import folder as run_folder
from adain_core.training.run.state import load_state, saved_states
from adain_core.training.trainer import Trainer, TrainingDiverged
from tests.adain_core.pictures import read_png, write_pictures

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
GUARDED = replace(
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


pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("images")
    return write_pictures(base / "content", 6), write_pictures(base / "style", 5, seed=1)


@pytest.fixture
def encoder():
    return load_encoder(DEFAULT_ENCODER)


@pytest.fixture
def start():
    return load_decoder(DEFAULT_DECODER)


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


def test_training_lowers_the_loss(folders, encoder, tmp_path):
    # The same two pairs again and again: the loss must fall by much.
    alone = {"content_weight": 0, "style_weight": 0, "identity_share": 1.0, "reconstruction_weight": 1.0}
    config = replace(TINY, steps=25, save_every=0, resize=(32, 32), optimizer="muon", learning_rate=0.005, **alone)
    trainer = Trainer(encoder, config, *folders, tmp_path / "run")
    trainer.train()
    losses = trainer.history.column("reconstruction")
    assert sum(losses[-5:]) / 5 < 0.6 * losses[0]


@pytest.mark.parametrize("config", [TINY, GUARDED, replace(GUARDED, precision="bfloat16", seed=5)])
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


def test_checkpoints_are_safetensors_with_everything(folders, encoder, tmp_path):
    Trainer(encoder, TINY, *folders, tmp_path / "run").train()
    with safe_open(saved_states(tmp_path / "run/checkpoints")[-1], "pt") as file:
        keys, text = set(file.keys()), file.metadata()
    assert {"decoder.c.0.weight", "optimizer.0.0.exp_avg", "optimizer.0.0.step", "random.cpu", "history"} <= keys
    assert text["step"] == "6"
    assert json.loads(text["losses"])[:3] == ["total", "content", "style"]


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


def test_a_longer_training_goes_on(folders, encoder, tmp_path):
    Trainer(encoder, replace(TINY, steps=2), *folders, tmp_path / "run").train()
    longer = Trainer(encoder, replace(TINY, steps=4), *folders, tmp_path / "run", resume=True)
    longer.train()
    assert (longer.step, len(longer.history)) == (4, 4)


def test_a_broken_checkpoint_is_passed_over(folders, encoder, tmp_path):
    Trainer(encoder, TINY, *folders, tmp_path / "run").train()
    older, newest = saved_states(tmp_path / "run/checkpoints")
    newest.write_bytes(newest.read_bytes()[:1000])
    leftovers = [tmp_path / name for name in ("run/.config.abc.json", "list/.mine.abc.safetensors")]
    leftovers.append(older.parent / ".step-00000008.abc.safetensors")
    (tmp_path / "list").mkdir()
    for path in leftovers:
        path.write_bytes(b"half a file")
    export = tmp_path / "list/mine.safetensors"
    resumed = Trainer(encoder, TINY, *folders, tmp_path / "run", resume=True, export=export)
    assert resumed.step == 4
    assert not any(path.exists() for path in leftovers)
    older.write_bytes(b"")
    with pytest.raises(AdaINError, match="expected a checkpoint that can be read, found 1 that cannot"):
        Trainer(encoder, TINY, *folders, tmp_path / "run", resume=True)


def test_unreadable_checkpoints_do_not_count_among_those_kept(folders, encoder, tmp_path):
    Trainer(encoder, TINY, *folders, tmp_path / "run").train()
    older, newest = saved_states(tmp_path / "run/checkpoints")
    newest.write_bytes(b"")
    with pytest.raises(Stop):
        Trainer(encoder, replace(TINY, keep=1), *folders, tmp_path / "run", resume=True).train(stop_at(5))
    assert [path.stem for path in saved_states(older.parent)] == ["step-00000005"]
    assert newest.with_suffix(".broken").exists()


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


def test_a_finished_run_writes_a_lost_decoder_again(folders, encoder, tmp_path):
    export = tmp_path / "list/mine.safetensors"
    Trainer(encoder, TINY, *folders, tmp_path / "run", export=export).train()
    export.unlink()
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run", resume=True, export=export)
    trainer.train()
    assert equal(weights(export), trainer.decoder.state_dict())


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


def test_resuming_from_another_decoder_is_refused(folders, encoder, start, tmp_path):
    config = replace(TINY, steps=2, anchor_weight=1.0)
    Trainer(encoder, config, *folders, tmp_path / "run", start=start, anchor=start).train()
    other = load_decoder(DEFAULT_DECODER)
    with torch.no_grad():
        other.c[0].bias += 1
    for name, decoders in (("decoder", (other, start)), ("anchor", (start, other))):
        with pytest.raises(AdaINError, match=rf"{name}: expected the one that the run in \S*run was started with"):
            Trainer(encoder, config, *folders, tmp_path / "run", *decoders, resume=True)
    Trainer(encoder, config, *folders, tmp_path / "run", start, start, resume=True)


def test_resuming_with_other_images_is_warned_of(folders, encoder, tmp_path):
    Trainer(encoder, replace(TINY, steps=1), *folders, tmp_path / "run").train()
    again = Trainer(encoder, TINY, *folders, tmp_path / "run", resume=True)
    assert again.warnings == []
    more = write_pictures(tmp_path / "content", 7)
    other = Trainer(encoder, TINY, more, folders[1], tmp_path / "run", resume=True)
    assert other.warnings == ["the content images are others than when the run was started"]


def test_a_folder_of_broken_images_is_named_as_it_was_given(folders, encoder, tmp_path):
    (tmp_path / "photos/deep").mkdir(parents=True)
    (tmp_path / "photos/deep/broken.png").write_bytes(b"")
    with pytest.raises(AdaINError, match=r"photos: expected usable images, found 1 that are not"):
        Trainer(encoder, TINY, tmp_path / "photos", folders[1], tmp_path / "run")


def test_a_run_needs_a_folder(folders, encoder, tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(AdaINError, match=r"run: expected a folder to write to"):
        Trainer(encoder, TINY, *folders, tmp_path / "run")


def test_mixing_up_runs_is_refused(folders, encoder, tmp_path):
    Trainer(encoder, replace(TINY, steps=1), *folders, tmp_path / "run").train()
    with pytest.raises(AdaINError, match="expected a new folder, found a run with checkpoints"):
        Trainer(encoder, TINY, *folders, tmp_path / "run")
    with pytest.raises(AdaINError, match=r"started with \(seed 0\), found seed 7"):
        Trainer(encoder, replace(TINY, seed=7), *folders, tmp_path / "run", resume=True)
    other = load_encoder(DEFAULT_ENCODER)
    other.fingerprint = "0" * 16
    with pytest.raises(AdaINError, match="one encoder"):
        Trainer(other, TINY, *folders, tmp_path / "run", resume=True)


def test_losses_that_are_no_numbers_stop_with_step_and_checkpoint(folders, encoder, tmp_path):
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run")

    def spoil(progress):
        if progress.step == 3:
            with torch.no_grad():
                trainer.decoder.c[0].bias[0] = torch.inf

    with pytest.raises(TrainingDiverged, match=r"content.* not finite at step 4; .*step-00000002\.safetensors"):
        trainer.train(spoil)
    assert all(value.isfinite().all() for value in weights(trainer.folder.decoder).values())


def test_weights_that_are_no_numbers_are_never_saved(folders, encoder, tmp_path):
    trainer = Trainer(encoder, TINY, *folders, tmp_path / "run")

    def spoil(progress):
        with torch.no_grad():
            trainer.decoder.c[0].bias[0] = torch.nan
        raise Stop

    with pytest.raises(TrainingDiverged, match=r"a weight not finite at step 1"):
        trainer.train(spoil)
    assert saved_states(tmp_path / "run/checkpoints")[-1].name == "step-00000000.safetensors"


@pytest.mark.parametrize(
    ("normalization", "conditioning"), [("instance", "adain"), ("batch", "adain"), ("none", "concatenation")]
)
def test_ablations_train_and_resume(normalization, conditioning, folders, encoder, tmp_path):
    config = replace(TINY, steps=2, normalization=normalization, conditioning=conditioning)
    trainer = Trainer(encoder, config, *folders, tmp_path / "run")
    trainer.train()
    decoder = load_decoder(trainer.folder.decoder, encoder.fingerprint)
    assert (decoder.normalization, decoder.conditioning) == (normalization, conditioning)
    whole = Trainer(encoder, replace(config, steps=3), *folders, tmp_path / "whole")
    whole.train()
    resumed = Trainer(encoder, replace(config, steps=3), *folders, tmp_path / "run", resume=True)
    resumed.train()
    assert equal(weights(whole.folder.decoder), weights(resumed.folder.decoder))


def test_starting_decoders_must_fit(folders, encoder, start, tmp_path):
    with pytest.raises(AdaINError, match="expected normalization instance and conditioning adain"):
        Trainer(encoder, replace(TINY, normalization="instance"), *folders, tmp_path / "run", start=start)
    with pytest.raises(AdaINError, match="expected an anchor decoder"):
        Trainer(encoder, replace(TINY, anchor_weight=1), *folders, tmp_path / "run")
    concatenated = replace(TINY, conditioning="concatenation", anchor_weight=1)
    of_another_kind = Decoder(conditioning="concatenation")
    of_another_kind.trained_for = encoder.fingerprint
    with pytest.raises(AdaINError, match="anchor: expected a decoder of AdaIN's output"):
        Trainer(encoder, concatenated, *folders, tmp_path / "run", start=of_another_kind)
    start.trained_for = "0" * 16
    with pytest.raises(AdaINError, match="one encoder"):
        Trainer(encoder, TINY, *folders, tmp_path / "run", start=start)


def test_few_steps_from_nothing_are_warned_of(folders, encoder, start, tmp_path):
    assert "grey" in Trainer(encoder, TINY, *folders, tmp_path / "a").warnings[0]
    assert Trainer(encoder, TINY, *folders, tmp_path / "b", start=start).warnings == []
    assert Trainer(encoder, replace(TINY, steps=100_000), *folders, tmp_path / "c").warnings == []


def test_skipped_files_are_named(folders, encoder, tmp_path):
    content = write_pictures(tmp_path / "content", 3)
    (content / "aaa.png").write_bytes(b"")
    trainer = Trainer(encoder, TINY, content, folders[1], tmp_path / "run", workers=1)
    trainer.train()
    assert list(trainer.skipped) == [str(content / "aaa.png")]
    assert str(content / "aaa.png") in json.loads((tmp_path / "run/history.json").read_text())["skipped"]


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
