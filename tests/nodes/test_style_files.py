"""Save Style and Load Style outside ComfyUI."""

from __future__ import annotations

import sys

import pytest
import torch

from adain_core.method.normalization import Statistics


@pytest.fixture
def host(pack, tmp_path, monkeypatch):
    """The nodes' host, with styles in a folder of the test's own."""
    host = sys.modules[f"{pack.__name__}.nodes.host"]
    monkeypatch.setattr(host, "save_folder", lambda kind: tmp_path)
    monkeypatch.setattr(host, "model_path", lambda name, kind: tmp_path / name)
    return host


@pytest.fixture
def save(pack, host):
    return pack.NODE_CLASS_MAPPINGS["AdaINSaveStyle"]().save


@pytest.fixture
def load(pack, host):
    return pack.NODE_CLASS_MAPPINGS["AdaINLoadStyle"]().load


@pytest.fixture
def style(pack):
    core = sys.modules[f"{pack.__name__}.adain_core.method.style"]
    return core.Style(Statistics(torch.randn(1, 512), torch.rand(1, 512) + 0.1), "an encoder")


def test_a_name_that_another_folder_has(save, style, host, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "find_model", lambda name, kind: tmp_path / name)
    save(style, "mine")
    monkeypatch.setattr(host, "find_model", lambda name, kind: tmp_path / "shared" / name)
    with pytest.raises(ValueError, match=r"^name: expected one that no other folder of styles has, found 'mine' in .*"):
        save(style, "mine")


def test_author_and_licence_of_a_loaded_style_stay(save, load, style):
    save(style, "mine", author="me", license="CC0")
    (loaded,) = load("mine.safetensors")
    save(loaded, "copy")
    assert load("copy.safetensors")[0].info == {"name": "copy", "author": "me", "license": "CC0"}
    save(loaded, "changed", author="you")
    assert load("changed.safetensors")[0].info == {"name": "changed", "author": "you", "license": "CC0"}


def test_a_style_comes_back(save, load, style):
    (same,) = save(style, "mine", author="me", license="CC0")
    assert same.statistics is style.statistics
    (loaded,) = load("mine.safetensors")
    for found, expected in zip(loaded.statistics, style.statistics, strict=True):
        assert torch.equal(found, expected)
    assert loaded.encoder_id == "an encoder"
    assert loaded.info == {"name": "mine", "author": "me", "license": "CC0"}


def test_a_style_is_saved_again_once_another_took_its_name(pack, save, style):
    """ComfyUI 0.33 keeps results of earlier settings: with the same value it would take the node as done."""
    changes = pack.NODE_CLASS_MAPPINGS["AdaINSaveStyle"].IS_CHANGED
    other = type(style)(Statistics(torch.randn(1, 512), torch.rand(1, 512) + 0.1), "an encoder")
    first = changes(name="changing")
    save(style, "changing", author="me")
    save(style, "changing", author="me")
    assert changes(name="changing") == first
    save(other, " changing ", author="me")
    second = changes(name="changing.safetensors")
    save(other, "changing", author="me")
    assert changes(name="changing") == second != first
    assert changes(name="../no name") == changes(name=None)


@pytest.mark.parametrize("thumbnail", [None, torch.tensor([1.0, 0.5, 0.0]).expand(1, 300, 400, 3)])
def test_the_thumbnail_is_shown(save, load, style, host, monkeypatch, thumbnail):
    shown = []
    monkeypatch.setattr(host, "progress_bar", lambda total: lambda done, total, preview: shown.append(preview))
    save(style, "mine", thumbnail=thumbnail)
    load("mine.safetensors")
    if thumbnail is None:
        assert shown == []
    else:
        (picture,) = shown
        assert picture.size == (96, 72)
        assert picture.getpixel((40, 40)) == pytest.approx((255, 128, 0), abs=3)


@pytest.mark.parametrize("name", ["", "../mine", "a/b", "a:b", ".hidden"])
def test_names_that_are_no_file_names(save, style, tmp_path, name):
    with pytest.raises(ValueError, match="name: expected letters, digits, spaces and"):
        save(style, name)
    assert list(tmp_path.iterdir()) == []


def test_styles_of_the_pack_are_not_replaced(save, style, tmp_path):
    with pytest.raises(ValueError, match="name: expected another one than the pack's own styles have, found 'starry_n"):
        save(style, "starry_night")
    save(style, " mine.safetensors ")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.safetensors"]
