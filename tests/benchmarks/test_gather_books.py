"""Books' illustrations, out of a Git repository made here."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from PIL import Image

from benchmarks import gather_books


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_illustrations_of_a_book(tmp_path, monkeypatch):
    book, output = tmp_path / "books" / "A-Book_12", tmp_path / "out"
    for folder in (book / "images", book / "old", book / "plates"):
        folder.mkdir(parents=True)
    page = noise(400, 500)
    page[:200] = 255  # a box for text
    Image.fromarray(page).save(book / "images" / "page.png")
    Image.fromarray(page).save(book / "images" / "same.png")
    Image.fromarray(noise(401, 500)).save(book / "old" / "earlier.png")
    Image.fromarray(noise(402, 500)).save(book / "plates" / "page.png")
    Image.fromarray(noise(100, 500)).save(book / "images" / "narrow.png")
    mostly_white = noise(400, 500)
    mostly_white[:400] = 255
    Image.fromarray(mostly_white).save(book / "images" / "white.png")
    (book / "text.txt").write_text("words")
    git = ["git", "-C", str(book), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a book"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(gather_books, "BOOKS", {"A-Book_12": 0.4})
    source = (tmp_path / "books").as_uri()
    for _ in range(2):  # the second time from the clone kept
        monkeypatch.setattr(sys, "argv", ["gather_books", str(tmp_path / "clones"), str(output), "--source", source])
        gather_books.main()
        assert sorted(path.name for path in output.iterdir()) == ["12-page-2.png", "12-page.png"]
    with Image.open(output / "12-page.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), page[200:485, 12:388])


def test_large_pictures_are_made_smaller():
    large = gather_books.prepared(Image.fromarray(noise(2000, 1000)), 0)
    assert large is not None
    assert min(large.size) == 900
