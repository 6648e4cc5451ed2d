"""Outputs of a stylized data set: what the stylizer makes, whatever else is made beside them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.images.resize import scale_short_side
from adain_core.inference import pipeline
from adain_core.stylized_datasets import stylize
from adain_core.stylized_datasets.plan import Settings, plan
from adain_core.stylized_datasets.stylize import DatasetStylizer
from tests.adain_core.cli.batches import batch, ordered
from tests.adain_core.pictures import files_of, write_pictures


@pytest.fixture
def folders(tmp_path):
    return write_pictures(tmp_path / "content", 6, size=(40, 32)), write_pictures(tmp_path / "style", 4, seed=1)


def assert_close(found, expected):
    """Up to how 8 bits round: a data set is made with direct kernels, others with the faster ones."""
    torch.testing.assert_close(found, expected.clamp(0, 1), atol=0.55 / 255, rtol=0)


def test_outputs_are_the_stylizers(folders, tmp_path):
    assert batch(folders, tmp_path / "out", "--alpha", 0.3, 0.9, "--size", 24) == 0
    stylizer = Stylizer.load(device="cpu")
    given = Settings(*folders, tmp_path / "out", alpha=(0.3, 0.9), seed=7, format="png")
    styles = sorted(p.relative_to(folders[1]).as_posix() for p in folders[1].rglob("*.png"))
    for image in ("picture02.png", "nested/picture05.png"):
        (target,) = plan(given, image, styles)
        content, style = load_picture(folders[0] / image).pixels, load_picture(folders[1] / target.style).pixels
        small = scale_short_side(content, 24), scale_short_side(style, 32)
        assert small[0].shape == (1, 3, 30, 24)
        expected = stylizer.stylize(*small, alpha=target.alpha)
        assert_close(load_picture(tmp_path / "out" / target.output).pixels, expected)


def test_preserve_color(folders, tmp_path):
    assert batch(folders, tmp_path / "out", "--preserve-color", "--style-size", 0) == 0
    (target,) = plan(Settings(*folders, tmp_path / "out", seed=7, format="png"), "picture00.png", ordered(folders[1]))
    content, style = load_picture(folders[0] / "picture00.png").pixels, load_picture(folders[1] / target.style).pixels
    expected = Stylizer.load(device="cpu").stylize(content, style, preserve_color=True)
    assert_close(load_picture(tmp_path / "out" / target.output).pixels, expected)


def test_transparency_is_kept_in_png(folders, tmp_path):
    for size in (0, 20):
        image = Image.open(folders[0] / "picture00.png").convert("RGB")
        opacity = Image.linear_gradient("L").resize(image.size)
        image.putalpha(opacity)
        image.save(folders[0] / "picture00.png")
        batch(folders, tmp_path / f"{size}", "--size", size)
        (out,) = (tmp_path / f"{size}").glob("picture00.png-*")
        with Image.open(out) as found:
            found = np.array(found.getchannel("A"), float)
        assert found.shape == ((25, 20) if size else (40, 32))
        wanted = opacity.resize((20, 25), Image.Resampling.BILINEAR) if size else opacity
        assert abs(found - np.array(wanted, float)).max() < 2


@pytest.mark.slow
def test_invisible_colours_play_no_part_and_alpha_0_gives_them_back(folders, tmp_path):
    made = []
    for colour in ("white", "black"):
        for folder in folders:
            for name in ordered(folder):
                hidden = Image.new("RGBA", (40, 32), colour)
                hidden.putalpha(0)
                with Image.open(folder / name) as image:
                    hidden.paste(image.convert("RGB").crop((8, 8, 32, 24)), (8, 8))
                hidden.save(folder / name)
        for options in ([], ["--preserve-color", "--size", 24]):
            out = tmp_path / f"{colour}{len(options)}"
            assert batch(folders, out, *options) == 0
            made.append([np.array(Image.open(path)).astype(int) for path in sorted(out.rglob("*.png"))])
    for one, other in (made[::2], made[1::2]):
        assert len(one) == 6
        assert all(x.shape[2] == 4 and abs(x - y).max() <= 1 for x, y in zip(one, other, strict=True))
    assert batch(folders, tmp_path / "same", "--alpha", 0) == 0
    (out,) = (tmp_path / "same").glob("picture00.png-*")
    with Image.open(out) as found, Image.open(folders[0] / "picture00.png") as expected:
        assert found.tobytes() == expected.tobytes()


@pytest.mark.slow
def test_results_do_not_depend_on_free_memory(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(stylize, "_TILE_SIZE", 64)
    write_pictures(folders[0], 1, size=(150, 90))
    batch(folders, tmp_path / "much")
    monkeypatch.setattr(pipeline, "budget", lambda device: 0)
    batch(folders, tmp_path / "little")
    assert files_of(tmp_path / "much") == files_of(tmp_path / "little")


def test_fewer_threads_for_large_images(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(stylize, "budget", lambda device: 2 << 30)
    Image.new("1", (3000, 1500)).save(folders[0] / "large.png")
    stylizer, styles = Stylizer.load(device="cpu"), ordered(folders[1])

    def count(*images, **values):
        return DatasetStylizer(stylizer, Settings(*folders, tmp_path / "out", **values), styles).thread_count(images)

    assert count("picture00.png") == 5  # what does not grow with the image is 400 MiB
    assert count("picture00.png", "large.png") == 1
    assert count("picture00.png", "large.png", size=256) == 4
    assert count("picture00.png", "missing.png") == 5


def test_an_image_alone_gets_what_it_gets_among_others(folders, tmp_path):
    batch(folders, tmp_path / "out", "--styles-per-image", 2, "--workers", 3)
    alone = tmp_path / "alone"
    (alone / "nested").mkdir(parents=True)
    shutil.copy(folders[0] / "nested/picture03.png", alone / "nested")
    batch((alone, folders[1]), tmp_path / "second", "--styles-per-image", 2)
    whole, part = (
        {name: data for name, data in files_of(tmp_path / name).items() if "picture03.png-" in name}
        for name in ("out", "second")
    )
    assert len(part) == 2
    assert part == whole
