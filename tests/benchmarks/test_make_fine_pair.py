"""How the fine pair begins: principal components against torch's own, and a decoder that paints as the bundled one."""

from __future__ import annotations

import sys

import torch

from adain_core import Stylizer
from adain_core.models.bundled import VGG19_ENCODER
from adain_core.models.model_files import load_vgg
from benchmarks import make_fine_pair
from tests.adain_core.pictures import write_pictures


def test_principal_components():
    mixing = torch.randn(5, 5)
    maps = [torch.einsum("oi,bihw->bohw", mixing, torch.randn(1, 5, 30, 20)) + 3 for _ in range(2)]
    rows = make_fine_pair.principal_components(maps, 3)
    values = torch.cat([x[0].flatten(1) for x in maps], 1)
    _, _, directions = torch.pca_lowrank(values.T.double(), 5)
    parallel = torch.nn.functional.cosine_similarity(rows.double(), directions[:, :3].T)
    torch.testing.assert_close(parallel.abs(), torch.ones(3, dtype=torch.double), atol=1e-4, rtol=0)
    torch.testing.assert_close((rows @ values).var(1), torch.ones(3), atol=1e-2, rtol=0)
    assert (rows.sum(1) > 0).all()


def test_the_pair_begins_as_the_bundled_one(tmp_path, monkeypatch):
    photos = write_pictures(tmp_path / "photos", 3, size=(64, 48))
    monkeypatch.setattr(sys, "argv", ["make_fine_pair", str(photos), "-o", str(tmp_path)])
    make_fine_pair.main()
    files = (tmp_path / f"fine_{kind}.safetensors" for kind in ("encoder", "decoder"))
    fine, plain = Stylizer.load(*files, device="cpu"), Stylizer.load(device="cpu", pair="vgg19")
    vgg, photo = load_vgg(VGG19_ENCODER), torch.rand(1, 3, 40, 56)
    torch.testing.assert_close(fine.encode(photo).tensor[:, :512], vgg(photo), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(fine.stylize(photo, photo), plain.stylize(photo, photo), atol=1e-3, rtol=0)
