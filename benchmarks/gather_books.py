"""Gathers engravings, woodcuts and flat colour prints to learn styles from: illustrations of old books.

    python -m benchmarks.gather_books CLONES OUTPUT [--source URL]

Clones the books from https://github.com/GITenberg (Project Gutenberg's, in the public domain in the USA) into CLONES,
those there already are kept, and writes about 700 pictures as PNG, short side up to 900 px, into OUTPUT.
"""

from __future__ import annotations

import argparse
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageStat
from tqdm import tqdm

SOURCE = "https://github.com/GITenberg"
# Repository: share of each picture's height that is left out at its top, where a box for the text is.
BOOKS = {
    "The-History-of-Don-Quixote-Volume-1-Complete_5921": 0.0,  # Gustave Dore, wood engravings
    "The-History-of-Don-Quixote-Volume-2-Complete_5946": 0.0,
    "Don-Quixote_996": 0.0,
    "Mother-GooseThe-Original-Volland-Edition_24623": 0.36,  # Frederick Richardson
    "The-Wonderful-Wizard-of-Oz_43936": 0.0,  # William Wallace Denslow
    "Mother-Goose-in-Prose_5312": 0.0,  # Maxfield Parrish
    "The-Baby-s-Own-Aesop_25433": 0.0,  # Walter Crane
    "The-Baby-s-Opera_25418": 0.0,
    "The-Pied-Piper-of-Hamelin_18343": 0.0,  # Kate Greenaway
    "A-Apple-Pie_15809": 0.0,
    "Legend-Land-Vol.-1Railway._20170": 0.0,  # pen drawings
    "The-Log-School-House-on-the-Columbia_14881": 0.0,
    "The-Girl-s-Own-Paper-Vol.-VIII--No.-353-October-2-1886._18195": 0.0,
    "Ancient-art-of-the-province-of-Chiriqui-ColombiaGovernment-Printing-Office-Washington-1888-pa__30621": 0.0,
}
SUFFIXES = (".jpg", ".jpeg", ".png")
SMALLEST_FILE = 30_000  # bytes; below are initials and ornaments
SMALLEST, LARGEST = 260, 900  # short side in pixels
MARGIN = 0.03  # of each side
FLATTEST = 20.0  # standard deviation of grey (0..255)
WHITE, MOST_WHITE = 232, 0.62  # grey of paper, share of the pixels


def illustrations(clone: Path) -> Iterator[Path]:
    """Picture files of a book, without thumbnails and earlier editions, each once."""
    seen = set()
    for path in sorted(clone.rglob("*")):
        inside = path.relative_to(clone).parts
        if path.suffix.lower() in SUFFIXES and "old" not in inside and ".git" not in inside:
            data = path.read_bytes()
            if len(data) > SMALLEST_FILE and data not in seen:
                seen.add(data)
                yield path


def prepared(picture: Image.Image, top: float) -> Image.Image | None:
    """The picture in RGB without margins and without that share of its height.

    None if it is too small, flat or mostly white.
    """
    width, height = picture.size
    sides = (int(width * MARGIN), int(height * max(top, MARGIN)), int(width * (1 - MARGIN)), int(height * (1 - MARGIN)))
    picture = picture.convert("RGB").crop(sides)
    grey = picture.convert("L")
    white = float((np.asarray(grey) > WHITE).mean())
    if min(picture.size) < SMALLEST or ImageStat.Stat(grey).stddev[0] < FLATTEST or white > MOST_WHITE:
        return None
    scale = min(LARGEST / min(picture.size), 1)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", metavar="CLONES", type=Path)
    parser.add_argument("output", metavar="OUTPUT", type=Path)
    parser.add_argument("--source", metavar="URL", default=SOURCE, help="where the books are (default: %(default)s)")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for book, top in tqdm(BOOKS.items()):
        clone = options.clones / book
        if not clone.exists():
            url = f"{options.source}/{book}"
            subprocess.run(["git", "clone", "--quiet", "--depth", "1", "--", url, str(clone)], check=True)
        number = book.rpartition("_")[2]
        written: Counter[str] = Counter()
        for path in illustrations(clone):
            with Image.open(path) as picture:
                illustration = prepared(picture, top)
            if illustration is not None:
                written[path.stem] += 1  # folders of a book may have files of one name
                again = f"-{written[path.stem]}" if written[path.stem] > 1 else ""
                illustration.save(options.output / f"{number}-{path.stem}{again}.png")


if __name__ == "__main__":
    main()
