"""What the nodes ask of ComfyUI, without it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import PACK


@pytest.fixture
def host(pack):
    return sys.modules[f"{PACK}.nodes.host"]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.3.3", "::1", "localhost"])
def test_loopback_addresses(host, address):
    assert host._is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.0.7", "myhost"])
def test_other_addresses(host, address):
    assert not host._is_loopback(address)


def test_text_breaks_between_words(host, monkeypatch):
    """A node would break long lines anywhere; a path stays whole."""
    sent = []
    server = SimpleNamespace(client_id="c", send_progress_text=lambda text, node, client: sent.append((text, node)))
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=server)))
    monkeypatch.setattr(host, "management", SimpleNamespace())
    words = "images left out: 3 (broken-picture.png, another one.jpg, a third.png)"
    path = "output/adain_training/a name that goes on/and-on-and-on-and-on-and-on.safetensors"
    host.show_text("7", "step 2/2", words, path)
    ((text, node),) = sent
    assert node == "7"
    assert text.startswith("step 2/2  \n"), "a line's end for Markdown, too"
    assert " ".join(text.split()) == f"step 2/2 {words} {path}"
    assert all(len(line) <= 36 or " " not in line for line in map(str.rstrip, text.split("\n")))
    host.show_text(None, "no node")
    assert len(sent) == 1


def test_nothing_to_say_takes_the_place_of_what_was_said_before(host, monkeypatch):
    sent = []
    server = SimpleNamespace(client_id="c", send_progress_text=lambda text, node, client: sent.append((text, node)))
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=server)))
    monkeypatch.setattr(host, "management", SimpleNamespace())
    host.show_text("8")
    assert sent == [], "a node that shows none gets none"
    host.show_text("8", "The mask is empty and counts as none.")
    host.show_text("8")
    assert sent[1:] == [(" ", "8")], "ComfyUI takes an empty text for none"
    host.show_text("8")
    assert len(sent) == 2


@pytest.mark.parametrize("kind", [str, Path])
def test_the_file_of_a_video_by_text_or_path(host, monkeypatch, tmp_path, kind):
    class VideoFromFile:
        def get_stream_source(self):
            return kind(tmp_path / "clip.mp4")

    monkeypatch.setattr(host, "management", SimpleNamespace())
    monkeypatch.setattr(host, "VideoFromFile", VideoFromFile, raising=False)
    assert host.file_of_video(VideoFromFile()) == str(tmp_path / "clip.mp4")
    assert host.file_of_video(SimpleNamespace()) is None
