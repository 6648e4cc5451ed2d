"""A run's folder: whose it is, what is removed there, which checkpoint is the newest."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from adain_core.errors import AdaINError
from adain_core.models.tensor_files import read_safetensors
from adain_core.training.run import folder as run_folder
from adain_core.training.run.folder import RunFolder
from adain_core.training.run.state import saved_states
from adain_core.training.trainer import Trainer
from tests.adain_core.training.runs import TINY, Stop, stop_at

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.mark.slow
def test_a_broken_checkpoint_is_passed_over(folders, encoder, tmp_path):
    Trainer(encoder, TINY, *folders, tmp_path / "run").train()
    older, newest = saved_states(tmp_path / "run/checkpoints")
    newest.write_bytes(newest.read_bytes()[:1000])
    leftovers = [tmp_path / name for name in ("run/.config.0123abcd.json", "list/.mine.0123abcd.safetensors")]
    leftovers.append(older.parent / ".step-00000008.0123abcd.safetensors")
    leftovers.append(older.parent / ".step-00000008.a_z5hq0x.safetensors")  # as version 1.0.0 named them
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


@pytest.mark.slow
def test_unreadable_checkpoints_do_not_count_among_those_kept(folders, encoder, tmp_path):
    Trainer(encoder, TINY, *folders, tmp_path / "run").train()
    older, newest = saved_states(tmp_path / "run/checkpoints")
    newest.write_bytes(b"")
    with pytest.raises(Stop):
        Trainer(encoder, replace(TINY, keep=1), *folders, tmp_path / "run", resume=True).train(stop_at(5))
    assert [path.stem for path in saved_states(older.parent)] == ["step-00000005"]
    assert newest.with_suffix(".broken").exists()


def test_a_run_needs_a_folder(folders, encoder, tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(AdaINError, match=r"run: expected a folder to write to"):
        Trainer(encoder, TINY, *folders, tmp_path / "run")


def files(folder):
    """Every file below a folder, hidden ones too, with its content and time."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def project(folder):
    """Somebody's project, which has files of the names that a run gives, and hidden ones."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / ".env").write_text("S=1\n")
    (folder / ".gitignore").touch()
    (folder / "checkpoints/.keep").touch()
    (folder / "config.json").write_text("{}\n")
    return folder


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_somebody_else_is_refused_untouched(resume, folders, encoder, tmp_path):
    before = files(project(tmp_path / "p"))
    message = r"p: expected a new folder, or one of a training with config\.json and checkpoints/, found other files"
    with pytest.raises(AdaINError, match=message):
        Trainer(encoder, TINY, *folders, tmp_path / "p", resume=resume)
    assert files(tmp_path / "p") == before


@pytest.mark.parametrize(
    "name", ["notes.txt", ".env", "decoder.safetensors", "preview.png", "config.json", "checkpoints/step-00000001.txt"]
)
def test_one_file_of_somebody_else_is_enough(name, tmp_path):
    path = tmp_path / "p" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(AdaINError, match="found other files in it"):
        RunFolder(tmp_path / "p")
    assert path.read_text() == "mine"


def test_checkpoints_of_another_program_are_not_a_run(tmp_path):
    (tmp_path / "p/checkpoints").mkdir(parents=True)
    save_file({"x": torch.zeros(1)}, tmp_path / "p/checkpoints/step-00000001.safetensors", {"kind": "other"})
    with pytest.raises(AdaINError, match="found other files in it"):
        RunFolder(tmp_path / "p")


def test_an_empty_folder_is_a_new_one(tmp_path):
    assert RunFolder(tmp_path).newest_state(resume=True, write=True) is None


@pytest.mark.slow
def test_hidden_files_beside_a_run_stay(folders, encoder, tmp_path):
    run, export = tmp_path / "run", tmp_path / "list/mine [1].safetensors"
    Trainer(encoder, replace(TINY, steps=1), *folders, run, export=export).train()
    mine = [run / name for name in (".env", ".gitignore", ".config.backup.json", "checkpoints/.keep", "previews/.keep")]
    mine += [run / "notes.txt", run / "checkpoints/.step-best.0123abcd.safetensors", run / ".other.0123abcd.json"]
    mine += [export.with_name(".mine [1].backup.safetensors"), export.with_name(".mine 1.0123abcd.safetensors")]
    leftover = export.with_name(".mine [1].0123abcd.safetensors")
    for path in [*mine, leftover]:
        path.write_text("mine")
    Trainer(encoder, replace(TINY, steps=2), *folders, run, export=export, resume=True).train()
    assert [path for path in mine if not path.exists() or path.read_text() != "mine"] == []
    assert not leftover.exists()


@pytest.mark.slow
def test_other_files_among_the_checkpoints_do_not_count_as_some(folders, encoder, tmp_path):
    run = tmp_path / "run"
    Trainer(encoder, replace(TINY, steps=2), *folders, run).train()
    mine = [run / "checkpoints" / f"step-{name}.safetensors" for name in ("0-mine", "best", "00000002-copy")]
    for path in mine:
        path.write_text("mine")
    Trainer(encoder, replace(TINY, keep=1), *folders, run, resume=True).train()
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == sorted(
        ["step-00000006.safetensors", *(path.name for path in mine)]
    )


def test_a_new_run_does_not_overwrite_an_export(folders, encoder, tmp_path):
    export = tmp_path / "list/mine.safetensors"
    export.parent.mkdir()
    export.write_text("somebody's")
    with pytest.raises(AdaINError, match=r"mine\.safetensors: expected a new file for the decoder of a new run"):
        Trainer(encoder, TINY, *folders, tmp_path / "run", export=export)
    assert export.read_text() == "somebody's"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("fails", ["write_json", "save_model", "save_state"])
def test_a_run_that_ended_in_its_first_save_goes_on(fails, folders, encoder, tmp_path, monkeypatch):
    run, export = tmp_path / "run", tmp_path / "list/mine.safetensors"

    def crash(path, *_):
        path = path / "step-00000000.safetensors" if path.name == "checkpoints" else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.stem}.0123abcd{path.suffix}").write_bytes(b"half")
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, fails, crash)
        with pytest.raises(Stop):
            Trainer(encoder, TINY, *folders, run, export=export).train()
    trainer = Trainer(encoder, replace(TINY, steps=1), *folders, run, export=export, resume=True)
    trainer.train()
    assert trainer.step == 1
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_a_decoder_without_its_checkpoints_is_not_overwritten(folders, encoder, tmp_path):
    """Checkpoints take much room: who removes them keeps what was learned."""
    run = tmp_path / "run"
    Trainer(encoder, replace(TINY, steps=1), *folders, run).train()
    for path in [*saved_states(run / "checkpoints"), *run.glob("*.png"), run / "history.json"]:
        path.unlink()
    shutil.rmtree(run / "previews")
    before = files(run)
    with pytest.raises(
        AdaINError, match=r"found other files in it \(checkpoints, config\.json, decoder\.safetensors\)"
    ):
        Trainer(encoder, TINY, *folders, run, resume=True)
    assert files(run) == before


def test_a_run_of_an_ablation_that_is_no_longer_there(folders, encoder, tmp_path):
    run = tmp_path / "run"
    Trainer(encoder, replace(TINY, steps=1), *folders, run).train()
    (*_, newest) = saved_states(run / "checkpoints")
    tensors, text = read_safetensors(newest)
    text["config"] = json.dumps(json.loads(text["config"]) | {"conditioning": "concatenation"})
    save_file(tensors, newest, text)
    with pytest.raises(AdaINError, match=r"conditioning: expected adain, found 'concatenation'"):
        Trainer(encoder, TINY, *folders, run, resume=True)
    assert newest.exists()
