"""`batch` on the command line: what is left to do, what goes wrong, killed half-way, and other people's files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from adain_core import Stylizer
from adain_core.stylized_datasets.plan import Settings, plan
from tests.adain_core.cli.batches import OPTIONS, batch, ordered
from tests.adain_core.pictures import files_of, write_pictures
from tests.conftest import ROOT


@pytest.fixture
def folders(tmp_path):
    return write_pictures(tmp_path / "content", 6, size=(40, 32)), write_pictures(tmp_path / "style", 4, seed=1)


def test_names_that_are_not_utf8(folders, tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    for folder in folders:
        shutil.copy(folder / "picture00.png", folder / name)
    assert batch(folders, tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").glob(f"{name}-*")] != []
    assert batch(folders, tmp_path / "out") == 0


def test_the_light_pair(folders, tmp_path, capsys):
    out = tmp_path / "out"
    assert batch(folders, out, "--pair", "light") == 0
    assert capsys.readouterr().out == "6 written, 0 already there, 0 failed\n"
    (folders[0] / "picture00.png").rename(folders[0] / "new.png")
    assert batch(folders, out) == 2, "the folder is of another pair"


def test_what_is_done_is_not_done_again(folders, tmp_path, capsys):
    out = tmp_path / "out"
    batch(folders, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert len(before) == 6
    capsys.readouterr()
    assert batch(folders, out) == 0
    assert capsys.readouterr().out == "0 written, 6 already there, 0 failed\n"
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before
    shutil.copy(folders[0] / "picture00.png", folders[0] / "new.png")
    assert batch(folders, out) == 0
    assert capsys.readouterr().out == "1 written, 6 already there, 0 failed\n"


def test_unreadable_images_are_reported_and_not_fatal(folders, tmp_path, capsys):
    out = tmp_path / "out"
    (folders[0] / "broken.jpg").write_bytes(b"not an image")
    assert batch(folders, out) == 0
    (failure,) = json.loads((out / "failures.json").read_text())
    assert (failure["image"], failure["style"]) == ("broken.jpg", None)
    assert "expected an image file, found one that cannot be read" in failure["reason"]
    assert len(list(out.rglob("*.png"))) == 6
    assert f"6 written, 0 already there, 1 failed: {out}/failures.json" in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--preserve-color"]])
def test_a_style_that_cannot_be_read_is_replaced_once_for_all(folders, tmp_path, capsys, options):
    out = tmp_path / "out"
    settings = Settings(*folders, out, seed=7, format="png", styles_per_image=2)
    styles = ordered(folders[1])
    bad = plan(settings, "picture00.png", styles)[0].style
    whole = {t.output for name in ordered(folders[0]) for t in plan(settings, name, styles) if t.style != bad}
    assert len(whole) < 12
    good = (folders[1] / bad).read_bytes()
    (folders[1] / bad).write_bytes(good[:100])
    more = ["--styles-per-image", 2, *options]
    assert batch(folders, out, *more) == 0
    made = files_of(out)
    images = {name for name in made if name.endswith(".png")}
    assert len(images) == 12
    assert whole < images  # others keep their styles
    (failure,) = json.loads(made["failures.json"])
    assert (failure["image"], failure["style"]) == (None, bad)
    report = capsys.readouterr().out
    assert report == (
        f"12 written, 0 already there, 0 failed\nstyles that cannot be read, others took their place: {bad}\n"
    )
    assert batch(folders, out, *more) == 0
    assert "0 written, 12 already there, 0 failed" in capsys.readouterr().out
    assert files_of(out) == made
    # An interrupted run that has not reported the style yet finds the same replacements.
    (out / "failures.json").write_text("[]")
    (out / sorted(images)[0]).unlink()
    assert batch(folders, out, *more) == 0
    assert files_of(out) == made


def test_without_a_style_that_can_be_read_nothing_is_made(folders, tmp_path):
    for name in ordered(folders[1]):
        (folders[1] / name).write_bytes(b"")
    assert batch(folders, tmp_path / "out") == 1
    failures = json.loads((tmp_path / "out/failures.json").read_text())
    assert {f["image"] for f in failures} == {None, *ordered(folders[0])}


def test_system_files_are_no_images(folders, tmp_path, capsys):
    for folder in folders:
        for name in ("._picture00.png", "__MACOSX/a.png"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"\0\5\x16\7")
    assert batch(folders, tmp_path / "out") == 0
    assert capsys.readouterr().out == "6 written, 0 already there, 0 failed\n"


def test_a_side_too_long_for_a_jpeg_is_said_before_the_work(folders, tmp_path, monkeypatch):
    Image.new("L", (65501, 8)).save(folders[0] / "picture00.png")
    sizes = []
    encode = Stylizer.encode
    monkeypatch.setattr(
        Stylizer, "encode", lambda self, x, *a, **o: sizes.append(x.shape[3]) or encode(self, x, *a, **o)
    )
    assert batch(folders, tmp_path / "out", "--format", "jpg") == 0
    (failure,) = json.loads((tmp_path / "out/failures.json").read_text())
    assert failure["image"] == "picture00.png"
    assert "at most 65500 pixels a side in a JPEG, found 65501" in failure["reason"]
    assert max(sizes) < 65501


def test_mended_images_are_made_by_the_next_run(folders, tmp_path):
    image = folders[0] / "picture00.png"
    good = image.read_bytes()
    image.write_bytes(good[:50])
    batch(folders, tmp_path / "out")
    image.write_bytes(good)
    assert batch(folders, tmp_path / "out") == 0
    batch(folders, tmp_path / "fresh")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "fresh")
    assert json.loads((tmp_path / "out/failures.json").read_text()) == []


def test_files_that_no_run_made_are_never_replaced(folders, tmp_path, capsys):
    """Without batch.json a folder is the user's: a file of the name of an output, or of the report, ends the run."""
    made = tmp_path / "made"
    batch(folders, made)
    names = [name for name in files_of(made) if name.endswith(".png")]
    for name in (names[-1], "failures.json"):
        out = tmp_path / f"out-{Path(name).stem}"
        for mine in (name, "notes.txt", ".hidden.png"):
            (out / mine).parent.mkdir(parents=True, exist_ok=True)
            (out / mine).write_bytes(b"mine")
        before = files_of(out)
        capsys.readouterr()
        assert batch(folders, out) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith(f"error: {out / name}: this file was not made by batch")
        assert error.endswith("use another folder")
        assert files_of(out) == before


def test_other_files_in_the_folder_stay(folders, tmp_path):
    out = tmp_path / "out"
    others = {"notes.txt": b"mine", ".env": b"S=1", "nested/picture01.png": b"mine", ".x.abcd1234.png": b"mine"}
    for name, data in others.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    for _ in range(2):
        assert batch(folders, out) == 0
    found = files_of(out)
    assert others.items() <= found.items()
    assert len(found) == len(others) + 6 + 2


@pytest.mark.parametrize("text", ["{}", "[1]", "not JSON", '{"name": "baking"}'])
def test_settings_of_others_are_never_replaced(text, folders, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "batch.json").write_text(text)
    assert batch(folders, out) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: {out / 'batch.json'}: expected the settings")
    assert files_of(out) == {"batch.json": text.encode()}


def test_nothing_made_is_status_1(folders, tmp_path):
    content = tmp_path / "broken"
    content.mkdir()
    (content / "a.png").write_bytes(b"")
    assert batch((content, folders[1]), tmp_path / "out") == 1


def test_mistakes(folders, tmp_path, capsys):
    out = tmp_path / "out"

    def mistake(*more, folder=out):
        assert batch(folders, folder, *more) == 2
        return capsys.readouterr().err

    assert mistake("--alpha", 0.9, 0.1) == "error: alpha: expected the lower limit first, found 0.9 and 0.1\n"
    assert mistake("--alpha", 0, 1, 1) == "error: --alpha: expected one value or two, found 3\n"
    assert mistake("--styles-per-image", 5).endswith("expected at most the number of style images, 4, found 5\n")
    assert "expected a folder outside" in mistake(folder=folders[0] / "out")
    assert not out.exists()
    batch(folders, out)
    capsys.readouterr()
    changed = (
        "expected the settings this folder was begun with, found other values of alpha, size; use another folder\n"
    )
    assert mistake("--alpha", 0.5, "--size", 20).endswith(changed)
    write_pictures(folders[1], 5, seed=1)  # another choice of styles is another data set
    assert "found other values of style_images" in mistake()


def test_an_output_that_is_no_folder(folders, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    for out in (tmp_path / "out", tmp_path / "out/deeper"):
        assert batch(folders, out) == 2
        error = capsys.readouterr().err
        assert error == f"error: {out}: expected a folder to write to, found {tmp_path / 'out'} to be a file\n"


def test_precision_is_a_setting(folders, tmp_path, capsys):
    assert batch(folders, tmp_path / "out", "--precision", "bfloat16") == 0
    assert json.loads((tmp_path / "out/batch.json").read_text())["precision"] == "bfloat16"
    assert batch(folders, tmp_path / "out") == 2
    assert "found other values of decoder, precision" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_half_way_it_ends_as_if_nothing_had_been(folders, tmp_path):
    out = tmp_path / "out"
    more = ["--styles-per-image", "4"]
    command = [sys.executable, "-m", "adain_core", "batch", *map(str, folders), "-o", str(out), *OPTIONS, *more]
    process = subprocess.Popen(
        [*command, "--workers", "1"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 120
    while len(list(out.rglob("*-stylized-*"))) < 3 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = len([path for path in out.rglob("*-stylized-*") if not path.name.startswith(".")])
    assert 0 < done < 24
    (out / "nested" / ".x-stylized-1-y.abcd1234.png").write_bytes(b"half")  # as if killed while writing
    assert batch(folders, out, *more) == 0
    batch(folders, tmp_path / "whole", *more)
    assert files_of(out) == files_of(tmp_path / "whole")
