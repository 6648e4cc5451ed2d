"""What holds for every command: interrupted, and when nobody reads the output."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
from PIL import Image

from adain_core.cli import main as command_line


def test_ctrl_c_while_a_command_is_imported_is_one_line(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "import_module", interrupted)
    assert command_line.main(["style", "list"]) == command_line.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_pillows_own_warnings_are_not_shown(tmp_path, capsys, monkeypatch):
    """A photo of 100 megapixels is no attack."""
    Image.new("RGB", (40, 40), "gray").save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        arguments = ["style", "make", str(tmp_path / "large.png"), "-o", str(tmp_path / "large.safetensors")]
        assert command_line.main([*arguments, "--pair", "light", "--device", "cpu"]) == 0
    assert [str(warning.message) for warning in shown] == []


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_error():
    command = [sys.executable, "-m", "adain_core", "style", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == command_line.PIPE_CLOSED
