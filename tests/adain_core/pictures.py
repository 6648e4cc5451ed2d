"""Small generated image folders for the tests of training."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from adain_core.dataset import generator
from adain_core.images import to_image


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
