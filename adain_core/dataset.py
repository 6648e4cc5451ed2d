"""Training images: two folders as endless content and style crops.

Everything about sample n follows from the seed and n alone: a run that is resumed at a step sees what an
uninterrupted one would, and several processes share the work by taking different samples.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from .errors import AdaINError
from .images import load_picture
from .schedule import crop_size
from .training_config import TrainingConfig

# Shares of style crops under `TrainingConfig.augment_styles`.
_STYLE_FROM_CONTENT, _SHUFFLED, _INVERTED = 0.25, 0.35, 0.1


def list_images(folder: str | Path) -> list[Path]:
    """All files under a folder, at any depth, whose ending names an image format Pillow reads, sorted.

    Raises:
        AdaINError: no such folder, or none in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AdaINError(f"{folder}: expected a folder of images, found {'a file' if folder.exists() else 'nothing'}")
    endings = {ending for ending, format in Image.registered_extensions().items() if format in Image.OPEN}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in endings and path.is_file())
    if not paths:
        raise AdaINError(f"{folder}: expected a folder of images, found none in it")
    return paths


def listing_fingerprint(folder: str | Path) -> str:
    """Identifies a folder's images by names, sizes and times of change; another when any of them changes."""
    digest = hashlib.sha256()
    for path in list_images(folder):
        found = path.stat()
        digest.update(os.fsencode(path.relative_to(folder)))  # which need not be UTF-8
        digest.update(f"\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def names_fingerprint(paths: Sequence[Path]) -> str:
    """Identifies a list of images by their names in their order."""
    return hashlib.sha256(b"\0".join(os.fsencode(path.name) for path in paths)).hexdigest()[:16]


class Images:
    """A folder's images, read when asked for. Unreadable and tiny files are left out, and remembered.

    Args:
        paths: the files.
        min_side: images with a shorter side than this are tiny.
        name: what to call them in an error; None: the folder of the first.

    Attributes:
        skipped: why each file was left out that has been met so far.
    """

    def __init__(self, paths: Sequence[Path], min_side: int, name: str | None = None) -> None:
        self.paths = list(paths)
        self.min_side = min_side
        self.name = name or str(self.paths[0].parent)
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Tensor:
        """``[3, H, W]`` RGB 0..1 of a file or, when it is left out, of the next one after it that is not.

        Raises:
            AdaINError: not one of the files is usable.
        """
        for offset in range(len(self.paths)):
            pixels = self._read(self.paths[(index + offset) % len(self.paths)])
            if pixels is not None:
                return pixels
        first = next(iter(self.skipped.values()))
        raise AdaINError(
            f"{self.name}: expected usable images, found {len(self.paths)} that are not (the first: {first})"
        )

    def usable(self) -> Iterator[Tensor]:
        """Each image that is not left out, ``[3, H, W]``, in their order."""
        for path in self.paths:
            pixels = self._read(path)
            if pixels is not None:
                yield pixels

    def _read(self, path: Path) -> Tensor | None:
        if str(path) in self.skipped:
            return None
        try:
            pixels = load_picture(path).pixels[0]
        except AdaINError as error:
            self.skipped[str(path)] = str(error).removeprefix(f"{path}: ")
            return None
        if min(pixels.shape[1:]) >= self.min_side:
            return pixels
        size = f"{pixels.shape[2]}x{pixels.shape[1]}"
        self.skipped[str(path)] = f"expected sides of at least {self.min_side} pixels, found {size}"
        return None


@dataclass
class Batch:
    """What one step trains on.

    Attributes:
        content, style: ``[B, 3, n, n]`` RGB 0..1.
        identity: which samples have the content as their style, bool ``[B]``, on the CPU.
        styles: equal for batches whose other samples have the same style crops.
        skipped: files left out on the way, and why.
    """

    content: Tensor
    style: Tensor
    identity: Tensor
    styles: tuple[int, int]
    skipped: dict[str, str]

    def pin_memory(self) -> Batch:
        """Called by DataLoader, for copies to the GPU that do not wait."""
        return replace(self, content=self.content.pin_memory(), style=self.style.pin_memory())


class Pairs(Dataset):
    """Sample n of a training: a content and a style crop. Each image comes once per pass, passes in random order."""

    def __init__(self, content: Sequence[Path], style: Sequence[Path], config: TrainingConfig) -> None:
        # An image that must be enlarged more than twice has nothing to teach.
        self.content = Images(content, config.largest_crop // 2)
        self.style = Images(style, config.largest_crop // 2)
        self.config = config

    def __getitem__(self, n: int) -> tuple[Tensor, Tensor, bool, tuple[int, int]]:
        """Sample n: content and style crop, whether they are the same, and which style crops its batch has."""
        config = self.config
        step, place = divmod(n, config.batch_size)
        size = crop_size(step, config.crop_sizes)
        content = self._crop(self.content, "content", n, size)
        turn = step // config.style_reuse
        m = turn * config.batch_size + place  # the style crops of some batches in a row are the same
        # The first differences of floor(m * share): evenly spread, exactly that share.
        if math.floor((m + 1) * config.identity_share) > math.floor(m * config.identity_share):
            return content, content, True, (turn, size)
        return content, self._style(m, size), False, (turn, size)

    def _style(self, m: int, size: int) -> Tensor:
        """Style crop m."""
        if not self.config.augment_styles:
            return self._crop(self.style, "style", m, size)
        random = generator(self.config.seed, "augmentation", m)
        from_content, shuffled, inverted = torch.rand(3, generator=random).tolist()
        if from_content < _STYLE_FROM_CONTENT:
            style = self._crop(self.content, "content as style", m, size)
        else:
            style = self._crop(self.style, "style", m, size)
        if shuffled < _SHUFFLED:
            style = style[torch.randperm(3, generator=random)]
        return v2.functional.invert(style) if inverted < _INVERTED else style

    def _crop(self, images: Images, role: str, n: int, size: int) -> Tensor:
        turn, place = divmod(n, len(images))
        pixels = images.read(int(order(self.config.seed, role, turn, len(images))[place]))
        return random_crop(pixels, size, self.config.resize, generator(self.config.seed, role, n))

    def collate(self, samples: list[tuple[Tensor, Tensor, bool, tuple[int, int]]]) -> Batch:
        contents, styles, identity, numbers = zip(*samples, strict=True)
        skipped = self.content.skipped | self.style.skipped
        return Batch(torch.stack(contents), torch.stack(styles), torch.tensor(identity), numbers[0], skipped)


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A random generator of its own for each purpose, the same for the same seed on every machine."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


@functools.lru_cache(maxsize=8)
def order(seed: int, role: str, turn: int, count: int) -> Tensor:
    """The order of the images in one pass over a folder: a permutation of 0..count-1."""
    return torch.randperm(count, generator=generator(seed, role, "order", turn))


def random_crop(pixels: Tensor, size: int, resize: tuple[int, int], random: torch.Generator) -> Tensor:
    """Scales the short side to a random length, cuts out a random square, and flips every second one.

    Args:
        pixels: ``[3, H, W]``.
        size: side of the square, pixels.
        resize: least and greatest short side, evenly in the logarithm; never enlarged beyond what the crop needs.
        random: where the numbers come from.

    Returns:
        ``[3, size, size]``.
    """
    height, width = pixels.shape[1:]
    scale, top, left, flip = torch.rand(4, generator=random).tolist()
    low, high = (max(size, min(side, height, width)) for side in resize)
    short = low * (high / low) ** scale
    # Cut out first, then scale only that: the same pixels as scaling first, at a fraction of the work.
    side = max(1, min(height, width, round(size * min(height, width) / short)))
    y, x = int(top * (height - side + 1)), int(left * (width - side + 1))
    crop = v2.functional.resized_crop(pixels, y, x, side, side, [size, size], antialias=True)
    return v2.functional.horizontal_flip(crop) if flip < 0.5 else crop


def center_crop(pixels: Tensor, size: int) -> Tensor:
    """Scales the short side to ``size`` and keeps the middle: ``[3, H, W]`` to ``[3, size, size]``."""
    return v2.functional.center_crop(v2.functional.resize(pixels, [size], antialias=True), [size, size])


def hold_out(paths: Sequence[Path], count: int) -> tuple[list[Path], list[Path]]:
    """Splits off ``count`` files, evenly spread, to look at and never train on.

    Returns:
        ``(for training, held out)``. From fewer than ten times as many nothing is taken away: the held out ones are
        then trained on as well.
    """
    enough = len(paths) >= 10 * count
    count = min(count, len(paths))
    held = [paths[k * len(paths) // count] for k in range(count)]
    if not enough:
        return list(paths), held
    return [path for path in paths if path not in held], held
