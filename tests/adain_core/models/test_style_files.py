from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from adain_core.errors import AdaINError
from adain_core.method.normalization import Statistics
from adain_core.method.style import ShallowStatistics, Style
from adain_core.models.bundled import PAIRS, VGG19_DECODER
from adain_core.models.style_files import load_style, load_thumbnail, save_style
from adain_core.models.tensor_files import read_metadata, read_safetensors


@pytest.fixture
def style():
    info = {"name": "Caf\u00e9", "author": "somebody", "license": "CC0", "more": "is not kept"}
    return Style(Statistics(torch.randn(2, 512), torch.rand(2, 512) + 0.1), "0123456789abcdef", info)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "style.safetensors"


def test_round_trip(style, path):
    save_style(path, style)
    loaded = load_style(path)
    assert torch.equal(torch.stack(loaded.statistics), torch.stack(style.statistics))
    assert loaded.encoder_id == style.encoder_id
    assert loaded.info == {"name": "Caf\u00e9", "author": "somebody", "license": "CC0"}
    assert load_thumbnail(path) is None


def test_the_layers_before_are_kept_where_they_are_known(style, path):
    shallow = [Statistics(torch.randn(2, c), torch.rand(2, c) + 0.1) for c in (64, 128, 256)]
    save_style(path, replace(style, shallow=ShallowStatistics(shallow)))
    for found, expected in zip(load_style(path).layers(), [*shallow, style.statistics], strict=True):
        assert torch.equal(torch.stack(found), torch.stack(expected))
    save_style(path, style)
    assert load_style(path).shallow is None


def test_layers_of_another_shape_are_refused(style, path):
    wrong = [Statistics(torch.randn(2, 64), torch.rand(2, 64) + 0.1) for _ in range(3)]
    save_style(path, replace(style, shallow=ShallowStatistics(wrong)))
    with pytest.raises(AdaINError, match=r"\[batch, 128\]"):
        load_style(path)


def test_statistics_are_kept_in_float32(style, path):
    save_style(path, Style(Statistics(*(s.double() for s in style.statistics)), "e"))
    assert {tensor.dtype for tensor in read_safetensors(path)[0].values()} == {torch.float32}
    assert load_style(path).info == {}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_a_thumbnail_is_the_picture_made_small(style, path, mode):
    picture = Image.linear_gradient("L").resize((300, 200)).convert(mode)
    save_style(path, style, picture)
    found = load_thumbnail(path)
    assert (found.mode, found.size) == ("RGB", (96, 64))
    expected = picture.convert("RGB").resize((96, 64), Image.Resampling.BICUBIC)
    assert np.abs(np.array(found, int) - np.array(expected, int)).mean() < 3
    assert path.stat().st_size < 15_000


@pytest.mark.parametrize("text", ["no base64!", "aGVsbG8=", "", "x"])
def test_a_style_with_a_broken_thumbnail_can_be_used(style, path, text):
    save_style(path, style)
    tensors, metadata = read_safetensors(path)
    save_file(tensors, path, metadata | {"thumbnail": text})
    assert load_thumbnail(path) is None
    assert load_style(path).encoder_id == style.encoder_id


def test_the_style_that_the_examples_bring(examples):
    path = examples / "styles" / "starry_night.safetensors"
    style = load_style(path)
    assert style.batch == 1
    assert style.encoder_id == read_metadata(PAIRS["fine"].encoder)["fingerprint"]
    assert style.info["name"]
    assert max(load_thumbnail(path).size) == 96


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(mean=t["mean"][:, :9]), r"of shape \[batch, channels\], found \[2, 9\] and \[2, 512\]"),
        (lambda t: t.update(mean=t["mean"][0], std=t["std"][0]), r"\[batch, channels\], found \[512\] and \[512\]"),
        (lambda t: t.update(std=t["std"][:1]), r"found \[2, 512\] and \[1, 512\]"),
        (lambda t: t["mean"][0, 3].fill_(float("nan")), "expected finite statistics with deviations above 0"),
        (lambda t: t["std"][0, 3].zero_(), "expected finite statistics with deviations above 0"),
        (lambda t: t.pop("std"), "expected the tensors mean and std, found mean$"),
    ],
)
def test_statistics_that_cannot_be(style, path, change, message):
    save_style(path, style)
    tensors, metadata = read_safetensors(path)
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata)
    with pytest.raises(AdaINError, match=message):
        load_style(path)


def test_files_that_hold_no_style(tmp_path):
    with pytest.raises(AdaINError, match="expected a style file, found one of another kind \\(decoder\\)"):
        load_style(VGG19_DECODER)
    save_file({"x": torch.ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(AdaINError, match="expected a style file, found one of another kind \\(unknown\\)"):
        load_style(tmp_path / "x.safetensors")
    with pytest.raises(AdaINError, match="expected a safetensors file, found nothing"):
        load_style(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "x.safetensors").read_bytes()[:-1])
    with pytest.raises(AdaINError, match="expected a complete safetensors file"):
        load_style(tmp_path / "cut.safetensors")
