"""Processes that die, that hang, and that work on the same thing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from adain_core import AdaINError
from adain_core.cli.main import main
from adain_core.images.files import load_picture
from adain_core.locks import FolderLock
from adain_core.training.data import batches
from adain_core.training.trainer import Trainer
from tests.adain_core.pictures import files_of, write_pictures
from tests.adain_core.training.runs import TINY as SIX_STEPS
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and forks are those of POSIX")

TINY = replace(SIX_STEPS, steps=2)
HOLDER = """
import sys, time
from pathlib import Path
from adain_core.locks import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has a folder locked."""
    started = []

    def hold(folder):
        process = subprocess.Popen([sys.executable, "-c", HOLDER, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "locked\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_a_lock_ends_with_its_process(tmp_path, holder):
    folder = tmp_path / "run"
    process = holder(folder)
    with pytest.raises(AdaINError, match="run: another process is writing there"):
        FolderLock(folder)
    process.kill()
    process.wait()
    first, second = FolderLock(folder), FolderLock(folder)  # one process may have several
    first.release()
    first.release()
    taken = subprocess.run([sys.executable, "-c", HOLDER, folder], cwd=ROOT, capture_output=True, text=True)
    assert "another process is writing there" in taken.stderr
    second.release()
    holder(folder)


def test_a_lock_does_not_outlive_its_process_in_a_fork(tmp_path):
    """A worker process that is still there when the training was killed."""
    reader, writer = os.pipe()
    owner = os.fork()
    if not owner:
        lock = FolderLock(tmp_path / "run")
        if not os.fork():
            time.sleep(3)
            os._exit(0)
        os.write(writer, b"x")
        time.sleep(30)
        os._exit(bool(lock))
    assert os.read(reader, 1) == b"x"
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)
    FolderLock(tmp_path / "run").release()


@pytest.fixture
def folders(tmp_path):
    return write_pictures(tmp_path / "content", 3), write_pictures(tmp_path / "style", 3, seed=1)


@pytest.fixture
def encoder():
    from adain_core.models.bundled import VGG19_ENCODER
    from adain_core.models.model_files import load_vgg

    return load_vgg(VGG19_ENCODER)


@pytest.mark.slow
def test_two_trainings_into_one_folder(tmp_path, folders, encoder, holder):
    run = tmp_path / "run"
    Trainer(encoder, TINY, *folders, run).train()
    before = {path: path.read_bytes() for path in run.rglob("*.safetensors")}
    leftover = run / ".decoder.0123abcd.safetensors"  # what the other process is writing just now
    leftover.write_bytes(b"half")
    other = holder(run)
    with pytest.raises(AdaINError, match="run: another process is writing there; wait until it has ended"):
        Trainer(encoder, TINY, *folders, run, resume=True)
    assert leftover.exists()
    leftover.unlink()
    assert {path: path.read_bytes() for path in run.rglob("*.safetensors")} == before
    other.kill()
    other.wait()
    assert Trainer(encoder, TINY, *folders, run, resume=True).done


def test_two_videos_into_one_file(tmp_path, examples, holder, capsys):
    pytest.importorskip("av", reason="reads videos")
    from tests.adain_core.clips import levels_of, write_clip

    clip = write_clip(tmp_path / "clip.mp4", 4)
    command = ["video", str(clip), str(examples / "style_tissue.jpg"), "--pair", "light", "--style-size", "32", "-o"]
    out = tmp_path / "out.mp4"
    other = holder(tmp_path / "out.mp4.parts")
    assert main([*command, str(out)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {out}.parts: another process is writing there; wait until it has ended")
    other.kill()
    other.wait()
    assert main([*command, str(out)]) == 0
    assert len(levels_of(out)) == 4


def test_two_batches_into_one_folder(tmp_path, folders, holder, capsys):
    out = tmp_path / "out"
    command = ["batch", *map(str, folders), "-o", str(out), "--pair", "light", "--style-size", "32", "--format", "png"]
    assert main(command) == 0
    whole = files_of(out)
    gone = next(out.rglob("*.png"))
    gone.unlink()
    other = holder(out)
    assert main(command) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {out}: another process is writing there; wait until it has ended")
    assert len(files_of(out)) == len(whole) - 1
    other.kill()
    other.wait()
    assert main(command) == 0
    assert main(command) == 0  # this one has let go of it, too
    assert files_of(out) == whole


@pytest.mark.slow
def test_a_video_killed_at_a_random_moment(tmp_path, examples, start):
    pytest.importorskip("av", reason="reads videos")
    from tests.adain_core.clips import levels_of, write_clip

    clip = write_clip(tmp_path / "clip.mp4", 64)
    command = ["video", clip, examples / "style_tissue.jpg", "--pair", "light", "--style-size", "32", "--smooth", "0.5"]
    command += ["--crf", "0"]  # else x264 makes one of several streams of so few rows
    out, chance = tmp_path / "out.mp4", random.Random(3)
    process = start(*command, "-o", out)
    while process.poll() is None and len(list(tmp_path.glob("out.mp4.parts/0*.nut"))) < 1:
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 0.3))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists() or len(levels_of(out)) == 64
    whole = tmp_path / "whole.mp4"
    for path in (out, whole):
        assert main([str(word) for word in [*command, "-o", path]]) == 0
    found, expected = levels_of(out), levels_of(whole)
    assert len(found) == 64
    assert (found == expected).all()
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.slow
def test_a_damaged_part_of_a_video_is_named(tmp_path, examples, capsys, monkeypatch):
    pytest.importorskip("av", reason="reads videos")
    from adain_core.video import job
    from tests.adain_core.clips import levels_of, write_clip

    monkeypatch.setattr(job, "SEGMENT_FRAMES", 5)
    clip, out = write_clip(tmp_path / "clip.mp4", 12), tmp_path / "out.mp4"
    command = ["video", str(clip), str(examples / "style_tissue.jpg"), "--pair", "light", "--style-size", "32", "-o"]
    finish = job.SegmentFolder.finish
    monkeypatch.setattr(job.SegmentFolder, "finish", lambda *_: None)
    assert main([*command, str(out)]) == 0
    (tmp_path / "out.mp4.parts/000001.nut").write_bytes(b"nothing of a video")
    monkeypatch.setattr(job.SegmentFolder, "finish", finish)
    capsys.readouterr()
    assert main([*command, str(out)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "000001.nut: expected a finished part of the video, found a damaged file; remove it" in last
    for number in (1, 2):
        (tmp_path / f"out.mp4.parts/00000{number}.nut").unlink()
    assert main([*command, str(out)]) == 0
    assert len(levels_of(out)) == 12


@pytest.mark.slow
def test_a_worker_that_dies(tmp_path, folders, encoder, monkeypatch):
    """Such as one that the system kills for its memory."""

    def kill(progress):
        if progress.step == 2:
            for worker in torch.multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)

    trainer = Trainer(encoder, replace(TINY, steps=60, save_every=1), *folders, tmp_path / "run", workers=1)
    with pytest.raises(AdaINError, match="workers: a process that reads images has ended"):
        trainer.train(kill)
    assert Trainer(encoder, replace(TINY, steps=3), *folders, tmp_path / "run", resume=True).step >= 2
    assert batches.worker_died(RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed."))
    assert not batches.worker_died(RuntimeError("shape '[1]' is invalid"))


def test_no_memory_is_one_line(tmp_path, examples, capsys, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")

    monkeypatch.setattr("adain_core.cli.stylize.stylize_file", fail)
    photo, painting = str(examples / "content_chelsea.jpg"), str(examples / "style_tissue.jpg")
    assert main(["stylize", photo, painting, "--pair", "light", "-o", str(tmp_path / "out.png")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: memory: expected more of it for this work")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_clock_that_jumps(tmp_path, folders, encoder, monkeypatch):
    """Time of day decides nothing that is learned or kept; progress shows no negative times."""
    times = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(time, "time", lambda: float(next(times)))
    shown = []
    Trainer(encoder, TINY, *folders, tmp_path / "jumping").train(lambda progress: shown.append(progress))
    monkeypatch.undo()
    Trainer(encoder, TINY, *folders, tmp_path / "plain").train()
    first, second = ((tmp_path / name / "decoder.safetensors").read_bytes()[-1000:] for name in ("jumping", "plain"))
    assert first == second
    assert all(progress.seconds_left >= 0 for progress in shown)


@pytest.mark.slow
def test_a_clock_that_jumps_during_a_video(tmp_path, examples, monkeypatch):
    """A video stopped in 2001 goes on in 1970, from segments whose files say 2100."""
    pytest.importorskip("av", reason="reads videos")
    from adain_core import Stylizer
    from adain_core.video import job
    from adain_core.video.reader import VideoReader
    from tests.adain_core.clips import write_clip

    monkeypatch.setattr(job, "SEGMENT_FRAMES", 5)
    clip = write_clip(tmp_path / "clip.mp4", 17, times=[k * k for k in range(17)])
    style = load_picture(examples / "style_tissue.jpg").pixels[..., :64]
    stylizer = Stylizer.load(device="cpu", pair="light")

    def make(name, progress=None):
        made = job.VideoJob(stylizer, clip, tmp_path / name, [style], crf=0, smooth=0.5)
        begun = made.done
        made.run(progress)
        return begun

    def stop(done, total):
        if done == 12:
            raise InterruptedError

    make("whole.mp4")
    times = iter(range(10**9, 0, -(10**6)))
    for name in ("time", "monotonic"):
        monkeypatch.setattr(time, name, lambda: float(next(times)))
    with pytest.raises(InterruptedError):
        make("out.mp4", stop)
    for path in (tmp_path / "out.mp4.parts").iterdir():
        os.utime(path, (4e9, 4e9))
    times = iter(range(10**6))
    assert make("out.mp4") == 10
    monkeypatch.undo()
    found, expected = (list(VideoReader(tmp_path / name).frames()) for name in ("out.mp4", "whole.mp4"))
    assert [frame.pts for frame in found] == [frame.pts for frame in expected]
    assert all((a.levels == b.levels).all() for a, b in zip(found, expected, strict=True))
