"""Folders without the right to write, as other users and mounts have them."""

from __future__ import annotations

import subprocess

import pytest
import torch

from adain_core import AdaINError
from adain_core.cli.main import main
from adain_core.images.files import Picture, save_picture
from adain_core.method.normalization import Statistics
from adain_core.method.style import Style
from adain_core.models.style_files import save_style


@pytest.fixture
def read_only(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    return small_disk


def test_saves_into_a_read_only_folder(read_only):
    with pytest.raises(AdaINError, match=r"expected a folder to write to, found .* without the right to do so"):
        save_picture(read_only / "out.png", Picture(torch.rand(1, 3, 8, 8)))
    style = Style(Statistics(torch.rand(1, 8), torch.ones(1, 8)), "0123456789abcdef")
    with pytest.raises(AdaINError, match=r"a\.safetensors: this file cannot be written .Read-only file system"):
        save_style(read_only / "sub/a.safetensors", style)
    assert not list(read_only.iterdir())


def test_commands_into_a_read_only_folder(read_only, examples, capsys):
    photo, painting = examples / "content_chelsea.jpg", examples / "style_tissue.jpg"
    for command in (
        ["stylize", photo, painting, "-o", read_only / "out.png"],
        ["train", examples, examples, "-o", read_only / "run"],
        ["batch", examples, examples, "-o", read_only / "set", "--pair", "light"],
    ):
        assert main([str(word) for word in command]) == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert str(read_only) in lines[0]
