"""Gathers pictures to learn styles from out of Debian packages: paintings, drawings, patterns and textures.

Usage: python gather_styles.py PACKAGES_DIR OUTPUT_DIR

Downloads the packages with ``apt-get download`` into PACKAGES_DIR (2.7 GB; those there already are kept), unpacks them
beside with ``dpkg-deb -x`` (nothing is installed), and writes about 1,250 pictures, short side up to 512 px, into
OUTPUT_DIR, paintings first, with sources.csv: file, package, path inside. Needs Debian 12's archive and Pillow.
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter, ImageStat

# Package: (pattern of paths, most pictures from one folder or archive). Paintings and drawings come first.
SOURCES: dict[str, list[tuple[str, int]]] = {
    "gcompris-qt-data": [(r"rcc/paintings", 80), (r"rcc/details", 26)],
    "wesnoth-1.16-data": [(r"/(story|maps|map-specific)/", 30), (r"/portraits/", 30), (r"/terrain/water", 4)],
    "stellarium-data": [(r"/skycultures/", 12)],
    "hedgewars-data": [(r"/Themes/[^/]*/Sky\.png|/Maps/[^/]*/map\.png|/Missions/", 6)],
    "fillets-ng-data": [(r"/images/[^/]*/.*(pozadi|bg|-p\.|w\.|mapa|hall)", 3)],
    "freedroidrpg-data": [(r"/graphics/backgrounds/", 20)],
    "freeorion-data": [(r"/art/(species|nebulae|encyclopedia|planets)/", 12), (r"/art/[a-z_]*$", 12)],
    "naev-data": [(r"/gfx/(loading|intro)/", 31), (r"/planet/exterior/", 60), (r"/portraits/", 6)],
    "lebiniou-data": [(r"/lebiniou/images/", 15)],
    "krita-data": [(r"/krita/(patterns|backgrounds|paintoppresets)/", 40)],
    "propaganda-debian": [(r"/wallpapers/", 30)],
    "mandelbulber2-data": [(r"/formula/img/", 40), (r"/textures/", 20)],
    "ukui-wallpapers": [(r"/backgrounds/", 12)],
    "gnome-backgrounds": [(r"/backgrounds/", 16)],
    "colobot-common-textures": [(r"/textures/(?!interface)", 6)],
    "supertuxkart-data": [(r"/data/textures/", 90), (r"/data/tracks/", 2)],
    "nexuiz-textures": [(r"/textures/", 3)],
    "openarena-081-textures": [(r"textures/", 3)],
}
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tga")
NOT_COLOURS = re.compile(  # normal and gloss maps, masks and the like; texts
    r"norm|_nm\b|_n\.|gloss|spec|bump|mask|alpha|glow|luma|_s\.|/icons?/|minimap"
    r"|sign|logo|splash|credit|dynamics|font|screenshot",
    re.IGNORECASE,
)
LARGEST, SMALLEST = 512, 200  # short side in pixels
FLATTEST = 14.0  # standard deviation of grey (0..255)
MOST_OF_ONE_COLOUR = 0.6  # share of the pixels


def download(package: str, folder: Path) -> Path:
    """Fetches and unpacks a package. Returns where its files lie."""
    unpacked = folder / "unpacked" / package
    if not unpacked.exists():
        if not list(folder.glob(f"{package}_*.deb")):
            subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
        (archive,) = folder.glob(f"{package}_*.deb")
        part = unpacked.with_name(package + ".part")
        part.parent.mkdir(exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", archive, part], check=True)
        part.rename(unpacked)
    return unpacked


def in_resources(data: bytes) -> Iterator[bytes]:
    """JPEG, PNG and WebP files in a Qt resource file, where each follows its length (4 bytes, big-endian)."""
    for match in re.finditer(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP", data, re.DOTALL):
        length = int.from_bytes(data[match.start() - 4 : match.start()], "big")
        if 10_000 < length <= len(data) - match.start():
            yield data[match.start() : match.start() + length]


def files(root: Path) -> Iterator[tuple[str, str, bytes]]:
    """Group (folder or archive and folder in it), path and bytes of every picture of a package, in order."""
    for path in sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink()):
        name = str(path.relative_to(root))
        if path.suffix == ".rcc":
            for k, data in enumerate(in_resources(path.read_bytes())):
                yield name, f"{name}#{k}", data
        elif path.suffix == ".pk3":
            with zipfile.ZipFile(path) as archive:
                for entry in sorted(archive.namelist()):
                    if entry.lower().endswith(PICTURES):
                        yield f"{name}/{Path(entry).parent}", f"{name}/{entry}", archive.read(entry)
        elif path.suffix.lower() in PICTURES:
            yield str(Path(name).parent), name, path.read_bytes()


def usable(data: bytes) -> Image.Image | None:
    """The picture in RGB, white where it is transparent, without its empty margin.

    None if it is unreadable, too small, narrow, flat, blurred or mostly of one colour.
    """
    try:
        picture = Image.open(io.BytesIO(data))
        picture.draft("RGB", (2 * LARGEST, 2 * LARGEST))
        rgba = picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        return None
    picture = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    margin = Image.new("RGB", picture.size, picture.getpixel((0, 0)))
    picture = picture.crop(ImageChops.difference(picture, margin).convert("L").point(lambda x: 255 * (x > 8)).getbbox())
    if min(picture.size) < SMALLEST or max(picture.size) > 3 * min(picture.size):
        return None
    if min(picture.size) > LARGEST:
        scale = LARGEST / min(picture.size)
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    grey = picture.convert("L")
    detail = ImageChops.difference(grey, grey.filter(ImageFilter.BoxBlur(4)))
    means = ImageStat.Stat(picture).mean
    normals = means[2] > 200 and abs(means[0] - 128) < 12 and abs(means[1] - 128) < 12
    flat = ImageStat.Stat(grey).stddev[0] < FLATTEST or ImageStat.Stat(detail).mean[0] < 1.5
    small = picture.resize((64, 64), Image.Resampling.NEAREST)
    flat |= max(small.quantize(16).histogram()) > MOST_OF_ONE_COLOUR * 64 * 64
    return None if normals or flat else picture


def signature(picture: Image.Image) -> bytes:
    """8x8 means in RGB: pictures whose signatures differ by less than 8 (of 255) a value are the same."""
    return picture.resize((8, 8), Image.Resampling.BOX).tobytes()


def main() -> None:
    packages, output = (Path(name) for name in sys.argv[1:3])
    packages.mkdir(parents=True, exist_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    seen: list[bytes] = []
    rows: list[tuple[str, str, str]] = []
    for package, rules in SOURCES.items():
        groups: dict[str, tuple[int, list[tuple[str, bytes]]]] = {}
        for group, path, data in files(download(package, packages)):
            limit = next((n for pattern, n in rules if re.search(pattern, path)), 0)
            if limit and not NOT_COLOURS.search(path):
                groups.setdefault(group, (limit, []))[1].append((path, data))
        for limit, found in groups.values():
            kept = 0
            # Neighbours in a folder look alike: every third first, then those between.
            for path, data in (item for first in range(3) for item in found[first::3]):
                if kept == limit:
                    break
                picture = usable(data)
                if picture is None:
                    continue
                mine = signature(picture)
                if any(sum(abs(a - b) for a, b in zip(mine, other, strict=True)) < 8 * len(mine) for other in seen):
                    continue
                kept += 1
                seen.append(mine)
                name = f"{package.split('-')[0]}{len(rows):04d}.jpg"
                picture.save(output / name, quality=95)
                rows.append((name, package, path))
        print(package, sum(row[1] == package for row in rows), flush=True)
    with open(output / "sources.csv", "w", newline="") as file:
        csv.writer(file).writerows([("file", "package", "path"), *rows])


if __name__ == "__main__":
    main()
