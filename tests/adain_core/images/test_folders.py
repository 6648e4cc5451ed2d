from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from adain_core.errors import AdaINError
from adain_core.images.folders import Images, list_images, listing_fingerprint, names_fingerprint
from tests.adain_core.pictures import write_pictures


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


def test_what_is_hidden_or_a_systems_is_no_image(tmp_path, caplog):
    write_pictures(tmp_path, 2)
    picture = (tmp_path / "picture00.png").read_bytes()
    others = ["._picture00.png", "__MACOSX/picture00.png", ".ipynb_checkpoints/a-checkpoint.png", "nested/._b.jpg"]
    for name in [*others, "Thumbs.db", "notes.txt", "more.TXT", "README", "movie.mp4"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture)
    assert [path.name for path in list_images(tmp_path)] == ["picture01.png", "picture00.png"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: files that are not looked at: 1 .mp4, 2 .txt, 5 hidden or a system's, 1 without ending"
    ]
    assert listing_fingerprint(tmp_path)
    assert len(caplog.records) == 1


def test_what_pillow_recognizes_but_does_not_read_is_no_image(tmp_path, caplog):
    write_pictures(tmp_path, 1)
    for name in ("boxes.h5", "clip.mpg", "wind.grib"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in list_images(tmp_path)] == ["picture00.png"]
    assert caplog.messages == [f"{tmp_path}: files that are not looked at: 1 .grib, 1 .h5, 1 .mpg"]


def test_a_hidden_folder_may_be_asked_for(tmp_path):
    write_pictures(tmp_path / ".cache/photos", 2)
    assert len(list_images(tmp_path / ".cache/photos")) == 2


def test_links_are_followed_without_cycles(tmp_path, caplog):
    folder = tmp_path / "set"
    folder.mkdir()
    write_pictures(tmp_path / "elsewhere", 3)
    for link, target in (("cats", "elsewhere"), ("kittens", "elsewhere"), ("deep", ".")):
        (folder / link).symlink_to(tmp_path / target)
    (tmp_path / "elsewhere/nested/up").symlink_to(tmp_path / "elsewhere")
    (folder / "one.png").symlink_to(tmp_path / "elsewhere/picture00.png")
    (folder / "gone.png").symlink_to(tmp_path / "nothing.png")
    here = ["nested/picture01.png", "picture00.png", "picture02.png"]
    expected = [f"{link}/{name}" for link in ("cats", "deep/elsewhere", "kittens") for name in here]
    assert [path.relative_to(folder).as_posix() for path in list_images(folder)] == [*expected, "one.png"]
    # The set, reached again through the link to what holds it, is not entered twice.
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}: files that are not looked at: 1 broken links"
    ]


def test_links_that_lead_nowhere_do_not_end_the_list(tmp_path, caplog):
    write_pictures(tmp_path, 1)
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "itself.png").symlink_to("itself.png")
    assert [path.name for path in list_images(tmp_path)] == ["picture00.png"]
    assert listing_fingerprint(tmp_path)
    assert caplog.messages == [f"{tmp_path}: files that are not looked at: 1 broken links, 1 without ending"]


def test_invisible_colours_are_not_trained_on(tmp_path):
    image = Image.new("RGBA", (32, 32), (255, 255, 255, 0))
    image.paste((120, 30, 60, 255), (8, 8, 24, 24))
    image.save(tmp_path / "a.png")
    (pixels,) = Images(list_images(tmp_path), 16).usable()
    expected = torch.tensor([120, 30, 60])[:, None, None] / 255
    torch.testing.assert_close(pixels, expected.expand(3, 32, 32))


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


def test_fingerprint_changes_with_the_files(tmp_path):
    folder = write_pictures(tmp_path / "more", 3)
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"a name that is not UTF-8")
    first = listing_fingerprint(folder)
    assert listing_fingerprint(folder) == first
    write_pictures(folder, 4)
    assert listing_fingerprint(folder) != first


def test_a_files_time_counts_in_the_listing_only(tmp_path):
    folder = write_pictures(tmp_path / "a", 2)
    paths, first = list_images(folder), listing_fingerprint(folder)
    names = names_fingerprint(paths)
    os.utime(paths[0], (1, 1))
    assert listing_fingerprint(folder) != first
    assert names_fingerprint(paths) == names
    assert names_fingerprint(paths[::-1]) != names
