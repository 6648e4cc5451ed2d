"""The stream of crops: what is read, what is skipped, and that it depends on seed and sample number alone."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from adain_core.errors import AdaINError
from adain_core.images.folders import Images, list_images, listing_fingerprint
from adain_core.images.resize import center_crop
from adain_core.training.config import TrainingConfig
from adain_core.training.data.batches import stream
from adain_core.training.data.samples import Pairs, generator, hold_out, order, random_crop
from tests.adain_core.pictures import write_pictures


def config(**values):
    return TrainingConfig(**({"batch_size": 4, "crop_sizes": ((0, 32),), "resize": (32, 48)} | values))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("images")
    return write_pictures(base / "content", 7), write_pictures(base / "style", 5, seed=1)


def pairs(folders, **values):
    return Pairs(*(list_images(folder) for folder in folders), config(**values))


def same(first, second):
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("content", "style", "identity"))


def test_nested_folders_and_all_kinds_of_images(tmp_path):
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
    names = ["a.jpg", "b.webp", "deep/er/c.PNG", "d.bmp", "e.tif", "f.gif", "palette.png", "grey.png", "wide.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        kind = {"palette.png": "P", "grey.png": "L", "f.gif": "P"}.get(name, "RGB")
        image = Image.fromarray(np.arange(2000, dtype=np.uint16).reshape(40, 50)) if name == "wide.png" else rgb
        (image if name == "wide.png" else image.convert(kind)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    paths = list_images(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == sorted(names)
    images = Images(paths, 16)
    assert all(images.read(k).shape == (3, 40, 50) for k in range(len(names)))
    assert images.skipped == {}


def test_unreadable_and_tiny_files_are_skipped_by_name(tmp_path):
    write_pictures(tmp_path, 2)
    (tmp_path / "aaa.jpg").write_bytes(b"not an image")
    Image.new("RGB", (15, 60)).save(tmp_path / "tiny.png")
    cut = (tmp_path / "picture00.png").read_bytes()
    (tmp_path / "zcut.png").write_bytes(cut[: len(cut) // 2])
    images = Images(list_images(tmp_path), 16)
    found = [images.read(k) for k in range(len(images))]
    assert {tuple(pixels.shape) for pixels in found} == {(3, 48, 40)}
    assert {name.rsplit("/", 1)[-1]: reason for name, reason in images.skipped.items()}.keys() == {
        "aaa.jpg",
        "tiny.png",
        "zcut.png",
    }
    assert images.skipped[str(tmp_path / "tiny.png")] == "expected sides of at least 16 pixels, found 15x60"


def test_a_folder_without_usable_images_is_an_error_that_names_it(tmp_path):
    with pytest.raises(AdaINError, match=f"{tmp_path}/none: expected a folder of images, found nothing"):
        list_images(tmp_path / "none")
    with pytest.raises(AdaINError, match=f"{tmp_path}: expected a folder of images, found none in it"):
        list_images(tmp_path)
    for k in range(3):
        (tmp_path / f"{k}.png").write_bytes(b"broken")
    with pytest.raises(AdaINError, match=f"{tmp_path}: expected usable images, found 3 that are not"):
        Images(list_images(tmp_path), 16).read(1)
    with pytest.raises(AdaINError, match=r"^photos: expected usable images, found 3 that are not"):
        Images(list_images(tmp_path), 16, "photos").read(1)


def test_usable_images_come_once_in_their_order(tmp_path):
    write_pictures(tmp_path, 3)
    list_images(tmp_path)[1].write_bytes(b"broken")
    images = Images(list_images(tmp_path), 16)
    first, last = images.read(0), images.read(2)
    found = list(images.usable())
    assert len(found) == 2
    assert torch.equal(found[0], first)
    assert torch.equal(found[1], last)


def test_fingerprint_changes_with_the_files(folders, tmp_path):
    folder = write_pictures(tmp_path / "more", 3)
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"a name that is not UTF-8")
    first = listing_fingerprint(folder)
    assert listing_fingerprint(folder) == first
    write_pictures(folder, 4)
    assert listing_fingerprint(folder) != first


def test_every_image_comes_once_per_pass(folders):
    for turn in range(3):
        assert sorted(order(5, "content", turn, 7).tolist()) == list(range(7))
    assert not torch.equal(order(5, "content", 0, 50), order(5, "content", 1, 50))
    assert not torch.equal(order(5, "content", 0, 50), order(6, "content", 0, 50))


@pytest.mark.parametrize("augment", [False, True])
def test_worker_processes_and_threads_give_the_same(folders, augment):
    source = pairs(folders, augment_styles=augment, identity_share=0.25)
    by_threads = list(stream(source, range(3), workers=0))
    by_processes = list(stream(source, range(3), workers=2))
    assert len(by_threads) == len(by_processes) == 3
    assert all(same(a, b) for a, b in zip(by_threads, by_processes, strict=True))
    assert by_threads[0].content.shape == (4, 3, 32, 32)
    assert 0 <= by_threads[0].style.min() <= by_threads[0].style.max() <= 1


def test_seeds_decide(folders):
    first, again, other = (next(iter(stream(pairs(folders, seed=seed), range(1), workers=0))) for seed in (3, 3, 4))
    assert same(first, again)
    assert not torch.equal(first.content, other.content)


def test_starting_later_gives_what_would_have_come(folders):
    source = pairs(folders)
    whole = list(stream(source, range(5), workers=0))
    assert all(same(a, b) for a, b in zip(whole[3:], stream(source, range(3, 5), workers=0), strict=True))


def test_processes_share_each_batch(folders):
    source = pairs(folders, identity_share=0.5)
    whole = next(iter(stream(source, range(1), workers=0)))
    parts = [next(iter(stream(source, range(1), workers=0, rank=rank, world=2))) for rank in (0, 1)]
    for name in ("content", "style", "identity"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))


def test_crop_schedule(folders):
    source = pairs(folders, crop_sizes=((0, 16), (2, 32)))
    assert [batch.content.shape[-1] for batch in stream(source, range(4), workers=0)] == [16, 16, 32, 32]


def test_style_crops_stay_for_some_batches(folders):
    batches = list(stream(pairs(folders, style_reuse=2, identity_share=0.25), range(6), workers=0))
    assert [batch.styles for batch in batches] == [(0, 32), (0, 32), (1, 32), (1, 32), (2, 32), (2, 32)]
    for first, second in (batches[:2], batches[2:4]):
        assert torch.equal(first.identity, second.identity)
        others = ~first.identity
        assert torch.equal(first.style[others], second.style[others])
        assert not (first.content == second.content).flatten(1).all(dim=1).any()
    assert not torch.equal(batches[1].style, batches[2].style)


def test_identity_samples_have_exactly_their_share(folders):
    batches = list(stream(pairs(folders, identity_share=0.375, style_reuse=1), range(4), workers=0))
    identity = torch.cat([batch.identity for batch in batches])
    assert int(identity.sum()) == 6
    for batch in batches:
        equal = (batch.content == batch.style).flatten(1).all(dim=1)
        assert torch.equal(equal, batch.identity)


def test_skipped_files_are_reported_from_worker_processes(folders, tmp_path):
    folder = write_pictures(tmp_path / "content", 3)
    (folder / "broken.png").write_bytes(b"")
    batches = list(stream(pairs((folder, folders[1])), range(2), workers=1))
    assert list(batches[-1].skipped) == [str(folder / "broken.png")]


def ramp(height, width):
    """Red is the column, green the row, both 0..1."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])


def test_crops_lie_inside_and_have_the_wanted_scale():
    pixels = ramp(64, 128)
    flips = 0
    for n in range(60):
        crop = random_crop(pixels, 32, (32, 64), generator(0, n))
        assert crop.shape == (3, 32, 32)
        across = (crop[0, :, -1] - crop[0, :, 0]).mean() * 127 / 31 * 32 / 128
        down = (crop[1, -1] - crop[1, 0]).mean() * 63 / 31 * 32 / 64
        flips += int(across < 0)
        # Cut out between half of the height (short side 64) and all of it (short side 32).
        assert 0.45 <= down <= 1.05
        assert abs(across) * 2 == pytest.approx(float(down), rel=0.06)
    assert 15 <= flips <= 45


def test_images_are_enlarged_only_as_far_as_the_crop_needs():
    small = ramp(40, 60)
    assert random_crop(small, 32, (512, 512), generator(0)).shape == (3, 32, 32)
    down = [
        (crop[1, -1] - crop[1, 0]).mean().item()
        for crop in (random_crop(small, 32, (512, 512), generator(0, n)) for n in range(20))
    ]
    assert np.allclose(down, 31 / 39, atol=1e-4)  # 32 of the 40 rows as they are, never fewer
    assert random_crop(ramp(20, 60), 32, (512, 512), generator(0)).shape == (3, 32, 32)


def test_center_crop_keeps_the_middle():
    crop = center_crop(ramp(64, 128), 32)
    assert crop.shape == (3, 32, 32)
    assert crop[0].mean().item() == pytest.approx(0.5, abs=1e-3)
    assert crop[0, :, 0].mean() > 0.2


def test_hold_out_takes_from_large_folders_only():
    paths = [f"{k:03d}" for k in range(100)]
    training, held = hold_out(paths, 4)
    assert held == ["000", "025", "050", "075"]
    assert sorted(training + held) == paths
    assert hold_out(paths[:8], 4) == (paths[:8], ["000", "002", "004", "006"])
    assert hold_out(paths[:2], 4) == (paths[:2], ["000", "001"])
