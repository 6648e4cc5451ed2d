"""Training as real processes: killed at random moments, told to stop, shared between two by torchrun."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from adain_core.cli.main import main
from adain_core.cli.train import default_workers, stop_on_signals
from adain_core.models.bundled import VGG19_DECODER
from adain_core.models.model_files import load_decoder
from adain_core.training.config import RANGES, TrainingConfig
from adain_core.training.run.state import load_state, saved_states
from adain_core.training.trainer import StopWaiting
from tests.adain_core.pictures import files_of, write_pictures
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("single_thread")

TINY = [
    "--batch-size",
    "2",
    "--crop-size",
    "32",
    "--resize",
    "32",
    "40",
    "--precision",
    "float32",
    "--workers",
    "1",
    "--preview-every",
    "0",
    "--seed",
    "3",
]
REGULARIZED = [
    "--optimizer",
    "muon",
    "--learning-rate",
    "0.002",
    "--identity-share",
    "0.5",
    "--reconstruction-weight",
    "10",
    "--augment-styles",
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("images")
    return [str(write_pictures(base / "content", 6)), str(write_pictures(base / "style", 5, seed=1))]


def start(*command, **variables):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | variables
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, command)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process, seconds=120):
    output, _ = process.communicate(timeout=seconds)
    return output


def last(folder):
    return load_state(saved_states(folder / "checkpoints")[-1])


def wait_for_step(folder, step, process):
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        paths = saved_states(folder / "checkpoints") if folder.exists() else []
        if paths and int(paths[-1].stem.split("-")[1]) >= step:
            return
        time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached: {finish(process)}")


def same_run(first, second):
    """Whether decoder, optimizer and history are equal to the bit."""
    a, b = last(first), last(second)
    assert a.step == b.step
    assert a.history.rows == b.history.rows
    assert a.tensors.keys() == b.tensors.keys()
    return all(torch.equal(a.tensors[k], b.tensors[k]) for k in a.tensors if not k.startswith("random."))


def test_processes_of_torchrun_share_the_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    found = [default_workers()]
    for processes in ("1", "4", "8", "16"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
        found.append(default_workers())
    assert found == [8, 8, 2, 1, 1]


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_if_nothing_had_been(folders, tmp_path):
    command = ["adain_core", "train", *folders, *TINY, *REGULARIZED, "--steps", "30", "--save-every", "3"]
    whole = start(*command, "-o", tmp_path / "whole")
    print(finish(whole))
    assert whole.returncode == 0
    chance = random.Random(20)
    killed = tmp_path / "killed"
    for reached in (0, 6, 15):
        process = start(*command, "-o", killed, "--resume")
        wait_for_step(killed, reached, process)
        time.sleep(chance.uniform(0, 0.5))  # amid a step, a write, a preview
        os.killpg(process.pid, signal.SIGKILL)
        finish(process)
        assert process.returncode == -signal.SIGKILL
        load_decoder(killed / "decoder.safetensors")  # whole at any time
    process = start(*command, "-o", killed, "--resume")
    output = finish(process)
    assert process.returncode == 0, output
    assert "resumed from" in output
    assert same_run(tmp_path / "whole", killed)
    assert not [path for path in killed.rglob(".*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_signals_save_and_end(number, folders, tmp_path):
    run = tmp_path / "run"
    command = ["adain_core", "train", *folders, *TINY, "--steps", "100000", "--save-every", "0", "-o", run]
    process = start(*command)
    wait_for_step(run, 0, process)
    time.sleep(1)
    os.killpg(process.pid, number)  # the whole group, as a terminal and a job scheduler do
    output = finish(process)
    assert process.returncode == 128 + number, output
    assert "Traceback" not in output
    step = last(run).step
    assert step > 0
    assert f"{step} of 100000 steps, stopped; --resume goes on from step {step}" in output


def test_a_second_signal_does_not_end_the_end_of_a_wait():
    trainer = SimpleNamespace(waiting=True, request_stop=lambda: None)
    with stop_on_signals(trainer) as received:
        with pytest.raises(StopWaiting):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # such as torchrun's, while hanging workers are given time to end
    assert received == [signal.SIGTERM] * 2


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_processes_of_torchrun_equal_one(folders, tmp_path):
    """Batches of 4 and of 2 + 2 round differently (1e-7), on each kind of processor in its own way.

    Where a ReLU or a max pooling then switches, the gradient jumps by up to a hundredth, and Adam's first steps
    (g / |g|) carry that into the weights in proportion to the learning rate: hence a small one. And no clipping, which
    with Adam would hide gradients that are summed instead of averaged.
    """
    arguments = ["adain_core", "train", *folders, *TINY, "--batch-size", "4", "--steps", "6", "--save-every", "0"]
    arguments += ["--learning-rate", "3e-6", "--identity-share", "0.25", "--reconstruction-weight", "10"]
    arguments += ["--device", "cpu", "--decoder", VGG19_DECODER]
    launcher = ["torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    launcher += ["--master-port", free_port(), "-m"]
    for name, command in (("one", arguments), ("two", [*launcher, *arguments])):
        process = start(*command, "-o", tmp_path / name)
        output = finish(process)
        assert process.returncode == 0, output
    one, two = last(tmp_path / "one"), last(tmp_path / "two")
    a, b = (torch.tensor(state.history.rows) for state in (one, two))
    torch.testing.assert_close(b[0], a[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-6)

    begin = {f"decoder.{key}": value for key, value in load_decoder(VGG19_DECODER).state_dict().items()}

    def gradients(state):  # Adam's first moment, a running mean of them
        return torch.cat([value.flatten() for key, value in state.tensors.items() if key.endswith(".exp_avg")])

    def way(state):
        return torch.cat([(state.tensors[key] - value).flatten() for key, value in begin.items()])

    for part, most in ((gradients, 1e-2), (way, 5e-2)):  # without averaging: 0.5 and more
        assert (part(two) - part(one)).norm() < most * part(one).norm()


@pytest.mark.slow
def test_processes_that_see_different_checkpoints_do_not_train(folders, tmp_path):
    """Two machines, each with a disk of its own: only the first finds the run to resume."""
    arguments = ["adain_core", "train", *folders, *TINY, "--device", "cpu", "--resume"]
    first = start(*arguments, "--steps", "1", "-o", tmp_path / "0")
    assert "1 of 1 steps, done" in finish(first)
    address = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    both = [start(*arguments, "--steps", "2", "-o", tmp_path / str(k), RANK=str(k), **address) for k in (0, 1)]
    for process in both:
        assert "expected every process to find the same checkpoint there" in finish(process)
        assert process.returncode == 2
    assert last(tmp_path / "0").step == 1


@pytest.mark.slow
def test_torchrun_refuses_a_batch_that_cannot_be_shared(folders, tmp_path):
    launcher = ["torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    launcher += ["--master-port", free_port(), "-m"]
    process = start(*launcher, "adain_core", "train", *folders, *TINY, "--batch-size", "3", "-o", tmp_path / "run")
    assert "batch_size: expected a multiple of the 2 processes that share it, found 3" in finish(process)
    assert process.returncode != 0


@pytest.mark.slow
def test_warning_progress_and_summary(folders, tmp_path):
    process = start("adain_core", "train", *folders, *TINY, "--steps", "2", "-o", tmp_path / "run")
    output = finish(process)
    assert process.returncode == 0, output
    assert "warning: 2 steps from new weights will leave grey pictures" in output
    assert "step 2/2  content" in output
    assert "reconstruction (content = style): PSNR" in output
    assert "2 of 2 steps, done" in output


def test_mistakes_are_one_line_and_status_2(folders, tmp_path, capsys):
    assert main(["train", str(tmp_path / "none"), folders[1], "-o", str(tmp_path / "run"), *TINY]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/none: expected a folder of images, found nothing\n"
    assert main(["train", *folders, "-o", str(tmp_path / "run"), *TINY, "--crop-size", "100"]) == 2
    assert capsys.readouterr().err.startswith("error: crop size: expected a multiple of 8")
    assert main(["train", *folders, "-o", str(tmp_path / "run"), *TINY, "--workers", "-1"]) == 2
    assert capsys.readouterr().err == "error: --workers: expected a number of at least 0, found -1\n"
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_refused_untouched(folders, tmp_path, capsys):
    """A project of somebody's, which has a config.json, checkpoints and hidden files of its own."""
    project = tmp_path / "p"
    (project / "checkpoints").mkdir(parents=True)
    (project / ".env").write_text("S=1\n")
    (project / ".gitignore").touch()
    (project / "checkpoints/.keep").touch()
    (project / "config.json").write_text("{}\n")
    before = files_of(project)
    for arguments in ([], ["--resume"]):
        assert main(["train", *folders, "-o", str(project), *TINY, "--steps", "1", *arguments]) == 2
        assert capsys.readouterr().err == (
            f"error: {project}: expected a new folder, or one of a training with config.json and checkpoints/, found "
            "other files in it (.env, .gitignore, checkpoints, ...); choose another folder\n"
        )
        assert files_of(project) == before


@pytest.mark.slow
def test_hidden_files_in_a_run_stay_when_it_is_resumed(folders, tmp_path):
    run = tmp_path / "run"
    arguments = ["train", *folders, "-o", str(run), *TINY, "--workers", "0", "--device", "cpu"]
    assert main([*arguments, "--steps", "1"]) == 0
    kept = {".env": "S=1\n", ".gitignore": "", "checkpoints/.keep": "", "previews/.keep": ""}
    for name, text in kept.items():
        (run / name).write_text(text)
    (run / ".losses.0123abcd.png").touch()  # what a killed process leaves
    assert main([*arguments, "--steps", "2", "--resume"]) == 0
    assert last(run).step == 2
    assert {path.relative_to(run).as_posix(): path.read_text() for path in run.rglob(".*")} == kept


def test_the_option_of_version_1_0_0_for_what_the_decoder_is_given(folders, tmp_path, capsys):
    run = ["-o", str(tmp_path / "run"), *TINY, "--workers", "0", "--device", "cpu", "--steps", "1"]
    assert main(["train", *folders, *run, "--conditioning", "concatenation"]) == 2
    assert capsys.readouterr().err == (
        "error: --conditioning: expected adain, found 'concatenation'; benchmarks/ablations.py trains decoders by "
        "concatenation\n"
    )
    assert not (tmp_path / "run").exists()
    assert main(["train", *folders, *run, "--conditioning", "adain"]) == 0
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "--conditioning" not in capsys.readouterr().out


def test_help_says_which_values_are_allowed(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for name, limits in RANGES.items():
        values = re.escape(f"({limits.limits}; default: {getattr(TrainingConfig(), name)})")
        assert re.search(rf"--{name.replace('_', '-')} N ((?!--).)*{values}", shown), name
