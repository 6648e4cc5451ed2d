"""What the pack's sources may not do, by their syntax: run code of files, start programs, install, read any pickle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCES = sorted([ROOT / "__init__.py", *(ROOT / "adain_core").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")])
# Names of what runs code or starts programs. compile is torch's; its own is looked for below.
CALLS = {
    "eval",
    "exec",
    "execfile",
    "__import__",
    "system",
    "popen",
    "spawnl",
    "spawnv",
    "execv",
    "execve",
    "startfile",
}
MODULES = {"subprocess", "pickle", "dill", "cloudpickle", "marshal", "shelve", "pip", "ensurepip", "code", "pty", "imp"}
IMPORTS = {"adain_core/__init__.py", "adain_core/cli/main.py"}  # import modules of the pack by name
LOADERS = {"load", "load_state_dict_from_url"}  # of torch


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func)


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    found = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert len(found) > 100
    return found


def test_nothing_runs_code_or_starts_programs(trees):
    found = [
        f"{file}:{call.lineno}: {name_of(call)}"
        for file, tree in trees.items()
        for call in calls(tree)
        if name_of(call).rpartition(".")[2] in CALLS or name_of(call) == "compile"
        if not name_of(call).endswith(".eval")  # a module of torch in evaluation mode
    ]
    assert found == []
    assert not [call for tree in trees.values() for call in calls(tree) if any(k.arg == "shell" for k in call.keywords)]


def test_modules_that_could_are_not_imported(trees):
    for file, tree in trees.items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            assert not {name.partition(".")[0] for name in names} & MODULES, file
            if isinstance(node, ast.Call) and name_of(node).rpartition(".")[2] == "import_module":
                assert file in IMPORTS


def test_every_pickle_is_of_tensors_only(trees):
    loads = [
        (file, call)
        for file, tree in trees.items()
        for call in calls(tree)
        if name_of(call).startswith(("torch.", "np.", "numpy.")) and name_of(call).rpartition(".")[2] in LOADERS
    ]
    assert [file for file, _ in loads] == ["adain_core/models/foreign_weights.py"]
    for _, call in loads:
        (given,) = [word.value for word in call.keywords if word.arg == "weights_only"]
        assert isinstance(given, ast.Constant)
        assert given.value is True
    allowed = [
        call
        for tree in trees.values()
        for call in calls(tree)
        if any(word.arg == "allow_pickle" for word in call.keywords)
    ]
    assert allowed == []


def test_only_the_download_speaks_to_the_network(trees):
    modules = {"urllib", "http", "requests", "socket", "ftplib", "aiohttp", "httpx", "websockets", "smtplib"}
    speaks = {
        file
        for file, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.partition(".")[0] in modules and not getattr(node, "level", 0)
    }
    assert speaks == {"adain_core/models/download.py"}


def test_pictures_are_opened_in_known_formats_only(trees):
    for file, tree in trees.items():
        for call in calls(tree):
            if name_of(call) == "Image.open":
                assert any(word.arg == "formats" for word in call.keywords), f"{file}:{call.lineno}"


def test_videos_are_opened_as_files_only(trees):
    opened = {file for file, tree in trees.items() for call in calls(tree) if name_of(call).endswith("av.open")}
    assert opened == {"adain_core/video/animation_writer.py", "adain_core/video/writer.py"}  # to write, and segments
    assert Path(ROOT, "adain_core/video/pyav.py").read_text().count("format_whitelist") == 1
