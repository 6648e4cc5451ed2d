"""Stylized data sets by one process: which styles, what is left to do, what goes wrong, killed half-way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adain_core import Stylizer
from adain_core.cli.main import main
from adain_core.files import atomic_write
from adain_core.images.files import load_picture, to_image
from adain_core.images.resize import scale_short_side
from adain_core.inference import pipeline
from adain_core.stylized_datasets import stylize
from adain_core.stylized_datasets.plan import Settings, plan
from adain_core.stylized_datasets.stylize import DatasetStylizer
from tests.adain_core.pictures import files_of, write_pictures
from tests.conftest import ROOT

OPTIONS = ["--style-size", "32", "--device", "cpu", "--format", "png", "--seed", "7"]
STYLES = [f"style{k}.jpg" for k in range(5)]


@pytest.fixture
def folders(tmp_path):
    return write_pictures(tmp_path / "content", 6, size=(40, 32)), write_pictures(tmp_path / "style", 4, seed=1)


def batch(folders, out, *more, options=OPTIONS):
    return main(["batch", *map(str, folders), "-o", str(out), *options, *map(str, more)])


def settings(**values):
    return Settings(Path("/content"), Path("/style"), Path("/out"), **values)


def test_the_choice_is_the_same_on_every_machine_and_in_every_version():
    targets = plan(settings(styles_per_image=2, seed=3, alpha=(0.5, 1.0)), "sub/cat.jpg", STYLES)
    assert [(t.style, round(t.alpha, 6), t.output) for t in targets] == [
        ("style4.jpg", 0.735515, "sub/cat.jpg-stylized-1-style4.jpg"),
        ("style3.jpg", 0.652196, "sub/cat.jpg-stylized-2-style3.jpg"),
    ]


def test_choices_are_even_and_differ_within_an_image():
    drawn = [plan(settings(styles_per_image=2, alpha=(0.2, 0.6)), f"{k}.jpg", STYLES) for k in range(1000)]
    assert all(first.style != second.style for first, second in drawn)
    counts = Counter(target.style for targets in drawn for target in targets)
    assert all(abs(counts[style] - 400) < 80 for style in STYLES)  # five standard deviations
    alphas = [target.alpha for targets in drawn for target in targets]
    assert 0.2 <= min(alphas) < 0.21
    assert 0.59 < max(alphas) <= 0.6
    assert abs(sum(alphas) / len(alphas) - 0.4) < 0.015


def test_more_styles_for_an_image_keep_the_first():
    one, three = (plan(settings(styles_per_image=n, alpha=(0, 1)), "a.jpg", STYLES) for n in (1, 3))
    assert three[:1] == one


def test_names_never_collide():
    given = settings(styles_per_image=2)
    styles = ["one/x.jpg", "two/x.jpg"]
    names = [t.output for image in ("a.jpg", "a.png", "sub/a.jpg") for t in plan(given, image, styles)]
    assert len(set(names)) == 6
    assert names[0] == "a.jpg-stylized-1-x.jpg"


def test_long_names_are_cut_and_stay_apart(tmp_path):
    given = settings(styles_per_image=2)
    long = "sub/" + "\u00e9" * 120
    names = [t.output for image in (f"{long}a.jpg", f"{long}b.jpg") for t in plan(given, image, ["one.jpg", "two.jpg"])]
    assert len(set(names)) == 4
    for name in names:
        assert name.startswith("sub/\u00e9\u00e9")
        assert re.fullmatch(r".*~[0-9a-f]{8}-stylized-[12]-(one|two)\.jpg", name)
        path = tmp_path / name
        with atomic_write(path) as temporary:
            temporary.write_text("")
        assert path.exists()


def test_names_that_are_not_utf8(folders, tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    for folder in folders:
        shutil.copy(folder / "picture00.png", folder / name)
    assert batch(folders, tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").glob(f"{name}-*")] != []
    assert batch(folders, tmp_path / "out") == 0


def test_outputs_are_the_stylizers(folders, tmp_path):
    assert batch(folders, tmp_path / "out", "--alpha", 0.3, 0.9, "--size", 24) == 0
    stylizer = Stylizer.load(device="cpu")
    given = Settings(*folders, tmp_path / "out", alpha=(0.3, 0.9), seed=7, format="png")
    styles = sorted(p.relative_to(folders[1]).as_posix() for p in folders[1].rglob("*.png"))
    for image in ("picture02.png", "nested/picture05.png"):
        (target,) = plan(given, image, styles)
        content, style = load_picture(folders[0] / image).pixels, load_picture(folders[1] / target.style).pixels
        small = scale_short_side(content, 24), scale_short_side(style, 32)
        assert small[0].shape == (1, 3, 30, 24)
        expected = to_image(stylizer.stylize(*small, alpha=target.alpha)[0])
        found = to_image(load_picture(tmp_path / "out" / target.output).pixels[0])
        assert found.tobytes() == expected.tobytes()


def test_preserve_color(folders, tmp_path):
    assert batch(folders, tmp_path / "out", "--preserve-color", "--style-size", 0) == 0
    (target,) = plan(Settings(*folders, tmp_path / "out", seed=7, format="png"), "picture00.png", ordered(folders[1]))
    content, style = load_picture(folders[0] / "picture00.png").pixels, load_picture(folders[1] / target.style).pixels
    expected = to_image(Stylizer.load(device="cpu").stylize(content, style, preserve_color=True)[0])
    assert to_image(load_picture(tmp_path / "out" / target.output).pixels[0]).tobytes() == expected.tobytes()


def test_transparency_is_kept_in_png(folders, tmp_path):
    for size in (0, 20):
        image = Image.open(folders[0] / "picture00.png").convert("RGB")
        opacity = Image.linear_gradient("L").resize(image.size)
        image.putalpha(opacity)
        image.save(folders[0] / "picture00.png")
        batch(folders, tmp_path / f"{size}", "--size", size)
        (out,) = (tmp_path / f"{size}").glob("picture00.png-*")
        with Image.open(out) as found:
            found = np.array(found.getchannel("A"), float)
        assert found.shape == ((25, 20) if size else (40, 32))
        wanted = opacity.resize((20, 25), Image.Resampling.BILINEAR) if size else opacity
        assert abs(found - np.array(wanted, float)).max() < 2


def test_results_do_not_depend_on_free_memory(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(stylize, "_TILE_SIZE", 64)
    write_pictures(folders[0], 1, size=(150, 90))
    batch(folders, tmp_path / "much")
    monkeypatch.setattr(pipeline, "budget", lambda device: 0)
    batch(folders, tmp_path / "little")
    assert files_of(tmp_path / "much") == files_of(tmp_path / "little")


def test_fewer_threads_for_large_images(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(stylize, "budget", lambda device: 2 << 30)
    Image.new("1", (3000, 1500)).save(folders[0] / "large.png")
    stylizer, styles = Stylizer.load(device="cpu"), ordered(folders[1])

    def count(*images, **values):
        return DatasetStylizer(stylizer, Settings(*folders, tmp_path / "out", **values), styles).thread_count(images)

    assert count("picture00.png") == 5  # what does not grow with the image is 400 MiB
    assert count("picture00.png", "large.png") == 1
    assert count("picture00.png", "large.png", size=256) == 4
    assert count("picture00.png", "missing.png") == 5


def ordered(folder):
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.png"))]


def test_an_image_alone_gets_what_it_gets_among_others(folders, tmp_path):
    batch(folders, tmp_path / "out", "--styles-per-image", 2, "--workers", 3)
    alone = tmp_path / "alone"
    (alone / "nested").mkdir(parents=True)
    shutil.copy(folders[0] / "nested/picture03.png", alone / "nested")
    batch((alone, folders[1]), tmp_path / "second", "--styles-per-image", 2)
    whole, part = (
        {name: data for name, data in files_of(tmp_path / name).items() if "picture03.png-" in name}
        for name in ("out", "second")
    )
    assert len(part) == 2
    assert part == whole


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
    broken = folders[0] / "broken.jpg"
    broken.write_bytes(b"not an image")
    styles = ordered(folders[1])
    bad_style = folders[1] / plan(Settings(*folders, out, seed=7), "picture00.png", styles)[0].style
    good = bad_style.read_bytes()
    bad_style.write_bytes(good[:100])
    assert batch(folders, out) == 0
    failures = json.loads((out / "failures.json").read_text())
    name = bad_style.relative_to(folders[1]).as_posix()
    assert {(f["image"], f["style"]) for f in failures} >= {("broken.jpg", None), ("picture00.png", name)}
    assert all("expected an image file, found one that cannot be read" in f["reason"] for f in failures)
    images = list(out.rglob("*.png"))
    assert len(images) + len(failures) == 7
    assert (
        f"{len(images)} written, 0 already there, {len(failures)} failed: {out}/failures.json"
        in capsys.readouterr().out
    )


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


def test_files_being_written_are_left_alone(folders, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name, age in (("old", 10), ("new", -10)):
        partial = out / f".x-stylized-1-{name}.abcd1234.png"
        partial.write_bytes(b"half")
        os.utime(partial, (time.time() - age,) * 2)
    assert batch(folders, out) == 0
    assert [path.name for path in out.glob(".*")] == [".x-stylized-1-new.abcd1234.png"]


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
