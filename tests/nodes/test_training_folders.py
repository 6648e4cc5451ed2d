"""Which folders a training may read, without ComfyUI."""

from __future__ import annotations

import sys

import pytest

from tests.adain_core.pictures import write_pictures
from tests.conftest import PACK


@pytest.fixture
def module(pack):
    return sys.modules[f"{PACK}.nodes.training_folders"]


@pytest.fixture
def home(module, tmp_path, monkeypatch):
    """A folder with an input directory as inside ComfyUI."""
    write_pictures(tmp_path / "input/photos", 4)
    write_pictures(tmp_path / "input/art/paintings", 1, seed=1)
    monkeypatch.setattr(module.host, "input_folder", lambda: tmp_path / "input")
    return tmp_path


def test_all_folders_of_the_input_directory_can_be_chosen(module, home):
    assert module.folders() == [module.EXAMPLES, "art", "art/paintings", "photos", "photos/nested"]


def test_the_cache_key_changes_with_the_images(module, home):
    first = module.changes("content", "photos", "")
    assert module.changes("content", "photos", "") == first
    assert module.changes("style", module.EXAMPLES, "") == module.EXAMPLES
    write_pictures(home / "input/photos", 6)
    assert module.changes("content", "photos", "") != first


def test_paths_outside_are_refused_when_other_machines_reach_comfyui(module, home, monkeypatch):
    outside = write_pictures(home / "elsewhere", 2)
    assert module.source("content", "photos", str(outside)) == outside
    monkeypatch.setattr(module.host, "only_this_machine", lambda: False)
    for path in (str(outside), str(home / "input/../elsewhere")):
        with pytest.raises(ValueError, match=r"content_path: expected a folder in .*listens for other machines"):
            module.source("content", "photos", path)
    (home / "input/link").symlink_to(outside)
    with pytest.raises(ValueError, match="content_folder: expected a folder in"):
        module.source("content", "link", "")
    inside = home / "input/photos"
    assert module.source("content", "art", str(inside)) == inside


def test_examples_of_the_pack_can_be_trained_on(module, home, examples):
    assert module.source("content", module.EXAMPLES, "") == sorted(examples.glob("content_*.jpg"))
    assert module.source("style", module.EXAMPLES, "") == sorted(examples.glob("style_*.jpg"))
