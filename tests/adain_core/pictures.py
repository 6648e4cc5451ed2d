"""Small generated image folders, and what came of them."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from adain_core.images.files import to_image
from adain_core.training.data.samples import generator


def write_pictures(folder: Path, count: int, seed: int = 0, size: tuple[int, int] = (48, 40)) -> Path:
    """Smooth random colour fields, every second one in a folder of its own."""
    for k in range(count):
        coarse = torch.rand(1, 3, 5, 5, generator=generator(seed, folder.name, k))
        pixels = torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=False)[0].clamp(0, 1)
        path = folder / ("nested" if k % 2 else ".") / f"picture{k:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        to_image(pixels).save(path)
    return folder


def read_png(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of all files under a folder by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
