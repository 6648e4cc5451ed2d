"""Files written whole, whatever the file system makes of their names and of being asked to sync."""

from __future__ import annotations

import errno
import os
import sys

import pytest
import torch
from safetensors.torch import save_file

from adain_core.errors import AdaINError
from adain_core.files import atomic_write, check_folder, check_not_read, check_output


@pytest.mark.parametrize("name", ["x" * 247 + ".png", "\u661f" * 81 + ".safetensor", "x" * 255, "." + "x" * 254])
def test_names_up_to_the_longest(tmp_path, name):
    assert 247 <= len(name.encode()) <= 255
    check_output(tmp_path / name)
    with atomic_write(tmp_path / name) as temporary:
        assert list(tmp_path.iterdir()) == [temporary]
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode elsewhere")
def test_names_in_a_locale_of_ascii(tmp_path, monkeypatch):
    """The bytes of an umlaut are no characters there, and neither must the temporary file's name have one."""
    monkeypatch.setattr(os, "fsencode", lambda name: str(name).encode("ascii", "surrogateescape"))
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    name = "ö2.png".encode().decode("ascii", "surrogateescape")
    with atomic_write(tmp_path / name) as temporary:
        assert temporary.name.isascii()


def test_an_output_that_is_also_read(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").symlink_to("a.png")
    check_not_read(tmp_path / "c.png", [tmp_path / "a.png", tmp_path / "missing"])
    with pytest.raises(AdaINError, match=r"b\.png: expected another file than those it is made of"):
        check_not_read(tmp_path / "b.png", [tmp_path / "missing", tmp_path / "a.png"])


def test_names_that_are_too_long_are_said(tmp_path):
    with pytest.raises(AdaINError, match="expected a name of at most 255 bytes, found one of 256"):
        check_output(tmp_path / ("x" * 256))
    with pytest.raises(AdaINError, match="expected a folder to write to, found File name too long"):
        check_folder(tmp_path / ("x" * 256))


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_does_not_sync(tmp_path, monkeypatch, number):
    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_what_a_sync_finds_is_an_error(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(AdaINError, match="No space left on device"), atomic_write(tmp_path / "a.txt"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_system_that_refuses_chmod(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    monkeypatch.setattr(os, "fchmod", refuse)
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_others_may_read_what_safetensors_writes(tmp_path):
    with atomic_write(tmp_path / "a.safetensors") as temporary:
        save_file({"x": torch.zeros(1)}, temporary)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail_halfway():
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
