"""The styles the pack ships."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError, Style, load_style, save_style
from adain_core.method.normalization import Statistics
from adain_core.models.bundled import PAIRS
from adain_core.models.style_files import THUMBNAIL_SIZE, load_thumbnail
from adain_core.models.style_library import LIBRARY, find_style, is_style_file, read_style
from adain_core.models.tensor_files import read_metadata

PATHS = sorted(LIBRARY.glob("*.safetensors"))
MOST_BYTES = 700_000


def test_there_are_many_and_they_are_small():
    assert len(PATHS) >= 24
    assert sum(path.stat().st_size for path in PATHS) < MOST_BYTES
    assert {path.suffix for path in LIBRARY.iterdir()} == {".safetensors"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_each_says_what_it_is_and_can_be_refined_toward(path):
    style = load_style(path)
    assert set(style.info) == {"name", "author", "license"}
    assert style.info["license"].startswith(("public domain", "CC0"))
    assert style.encoder_id == read_metadata(PAIRS["fine"].decoder)["encoder"]
    assert [layer.mean.shape[1] for layer in style.layers()] == [64, 128, 256, 1088]
    picture = load_thumbnail(path)
    assert picture is not None
    assert max(picture.size) == THUMBNAIL_SIZE


def test_they_differ():
    """No two are nearer to each other than a third of the distance that they usually have."""
    styles = [load_style(path).statistics for path in PATHS]
    vectors = torch.stack([torch.cat([s.mean[0], s.std[0]]) for s in styles])
    distances = torch.cdist(vectors, vectors)
    apart = distances[~torch.eye(len(PATHS), dtype=torch.bool)]
    assert apart.min() > apart.median() / 3
    assert len({load_style(path).info["name"] for path in PATHS}) == len(PATHS)


def test_styles_are_found_by_path_and_by_name(tmp_path):
    first = PATHS[0]
    assert find_style(first.name) == find_style(first.stem) == find_style(first) == first
    own = tmp_path / first.name
    own.write_bytes(first.read_bytes())
    assert find_style(own) == own
    for unknown in ("none.safetensors", tmp_path / "sub" / first.name, tmp_path):
        with pytest.raises(AdaINError, match="expected a style file or the name of one of the library's styles, found"):
            find_style(unknown)


def test_a_style_of_a_bank_by_its_number(tmp_path):
    path = tmp_path / "three.safetensors"
    mean = torch.arange(3.0)[:, None].expand(3, 512)
    save_style(path, Style(Statistics(mean, torch.ones(3, 512)), "an encoder"))
    for number in range(3):
        named = f"{path}:{number}"
        assert is_style_file(named)
        assert read_style(named).statistics.mean.tolist() == [[float(number)] * 512]
    with pytest.raises(AdaINError, match=r"expected one style, found a bank of 3; choose one: three.safetensors:0"):
        read_style(path)
    with pytest.raises(AdaINError, match=r"three.safetensors: number: expected one from 0 to 2, .* found 3"):
        read_style(f"{path}:3")
    assert not is_style_file("photo.jpg:0")


def test_a_style_of_the_library_by_its_name():
    found = read_style(PATHS[0].name)
    assert torch.equal(found.statistics.mean, load_style(PATHS[0]).statistics.mean)


def test_a_name_without_ending_is_the_librarys_unless_a_file_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = PATHS[0].stem
    assert is_style_file(name)
    assert torch.equal(read_style(name).statistics.mean, load_style(PATHS[0]).statistics.mean)
    assert not is_style_file(f"folder/{name}")
    assert not is_style_file("a painting nobody has")
    (tmp_path / name).touch()
    assert not is_style_file(name)


def test_a_style_of_another_encoder(tmp_path):
    own = load_style(PATHS[0]).encoder_id
    of_vgg = tmp_path / "old.safetensors"
    save_style(of_vgg, load_style(PATHS[0]).seen_by(own.split("/")[1], 512))
    for path, encoder_id, found in (
        (PATHS[0].name, "another", "one for --pair vgg19 or fine; use that"),
        (of_vgg, own, "one for --pair vgg19; use that"),
        (tmp_path / "strange.safetensors", own, "another encoder's; use the encoder and decoder that it was made with"),
    ):
        if "strange" in str(path):
            save_style(path, Style(Statistics(torch.ones(1, 512), torch.ones(1, 512)), "another"))
        told = f"expected a style of the encoder in use, found {found}, or the painting itself"
        with pytest.raises(AdaINError, match=told):
            read_style(path, encoder_id)
    assert read_style(PATHS[0].name, own).encoder_id == own
