"""Finds the clusters of VGG's channels that AdaIN Channel Mask offers by name, and the patches that excite them most.

python -m benchmarks.channel_clusters FOLDER ... --patches patches.png

A cluster that shares most of its channels with one of weights/channel_clusters.json keeps its name; others are called
by numbers, until somebody has looked at their patches.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.utils import make_grid

from adain_core import AdaINError, Stylizer
from adain_core.files import write_json
from adain_core.images.files import load_picture, to_image
from adain_core.images.folders import list_images
from adain_core.images.resize import scale_short_side
from adain_core.method.channel_clusters import RunningCorrelations, k_means, responses, without_common
from adain_core.method.features import STRIDE
from adain_core.models.channel_clusters import CLUSTERS, load_clusters

COUNT = 16
SIDE = 256  # pixels, the short side
LONGEST = 384  # pixels that are seen of the other one
PATCH = 56  # pixels; a position sees 68, those at the border hardly
_PER_IMAGE = 3  # patches at most
_BORDER = 3  # positions around the image, of which padding is a large part


class Patch(NamedTuple):
    """A part of an image that excites a cluster.

    Attributes:
        response: as of `channel_clusters.responses`.
        image: its number.
        place: of its centre in the image, from 0 to 1 of the short side.
        pixels: ``[3, PATCH, PATCH]``.
    """

    response: float
    image: int
    place: tuple[float, float]
    pixels: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, help="of images, searched with all below them")
    parser.add_argument("-o", "--output", type=Path, default=CLUSTERS, help="(default: the file in weights)")
    parser.add_argument("--patches", type=Path, help="picture of the strongest patches, a row for each cluster")
    options = parser.parse_args()
    stylizer = Stylizer.load(device="cpu", pair="vgg19")
    running = RunningCorrelations()
    count = 0
    for _, pixels in pictures(options.folders, (SIDE,)):
        running.add(stylizer.encode(pixels).tensor)
        count += 1
    labels = k_means(without_common(running.correlations()).float(), COUNT)
    found = [torch.nonzero(labels == k).flatten().tolist() for k in range(COUNT)]
    clusters = named(found, load_clusters())
    write_json(options.output, {"encoder": stylizer.encoder.fingerprint, "images": count, "clusters": clusters})
    for name, channels in clusters.items():
        print(f"{name}: {len(channels)} channels")
    if options.patches:
        images = pictures(options.folders, (SIDE,))
        rows = strongest_patches(stylizer, images, running.statistics(), list(clusters.values()), 24)
        grids = [make_grid([patch.pixels for patch in row], nrow=24, padding=2, pad_value=1.0) for row in rows]
        to_image(torch.cat(grids, dim=1)).save(options.patches)


def pictures(folders: Iterable[Path], sides: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
    """The images of folders at these short sides: their numbers, and pixels ``[1, 3, H, W]``."""
    paths = [path for folder in folders for path in list_images(folder)]
    for k, path in enumerate(paths):
        try:
            picture = load_picture(path).filled
        except AdaINError as error:
            print(error)
            continue
        for side in sides:
            yield k, scale_short_side(picture, side)[..., : LONGEST * side // SIDE, : LONGEST * side // SIDE]


def named(clusters: Sequence[Sequence[int]], before: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Clusters by name: those of the named ones before that share most channels, else numbers from 1."""
    shared = [
        (len(set(channels) & set(old)), k, name)
        for (k, channels), (name, old) in itertools.product(enumerate(clusters), before.items())
    ]
    names: dict[int, str] = {}
    for common, k, name in sorted(shared, key=lambda entry: -entry[0]):
        if k not in names and name not in names.values() and 2 * common > len(clusters[k]):
            names[k] = name
    return {names.get(k, str(k + 1)): list(channels) for k, channels in enumerate(clusters)}


def strongest_patches(
    stylizer: Stylizer,
    images: Iterable[tuple[int, Tensor]],
    statistics: tuple[Tensor, Tensor],
    clusters: Sequence[Sequence[int]],
    count: int,
) -> list[list[Patch]]:
    """The patches that excite each cluster most, apart from each other.

    Args:
        stylizer: with VGG.
        images: numbers and pixels ``[1, 3, H, W]``; an image may come at several sizes.
        statistics: mean and standard deviation of the channels, ``[C]`` each.
        clusters: the channels of each.
        count: how many patches of each.
    """
    mean, std = statistics
    found: list[list[Patch]] = [[] for _ in clusters]
    for number, pixels in images:
        maps = responses(stylizer.encode(pixels).tensor, mean, std.clamp(min=1e-6), clusters)[0]
        for own, one in zip(found, maps, strict=True):
            own += _peaks(one, number, pixels)
    return [_apart(own, count) for own in found]


def _peaks(response: Tensor, number: int, pixels: Tensor) -> list[Patch]:
    """The strongest places of an image's response ``[h, w]``, a patch from each other."""
    height, width = (side // STRIDE for side in pixels.shape[2:])
    inner = torch.full_like(response, -torch.inf)
    inside = slice(_BORDER, height - _BORDER), slice(_BORDER, width - _BORDER)
    inner[inside] = response[inside]
    peaks, reach = [], PATCH // STRIDE
    for _ in range(_PER_IMAGE):
        y, x = divmod(int(inner.argmax()), inner.shape[1])
        top, left = (
            min(max(STRIDE * at + STRIDE // 2 - PATCH // 2, 0), size - PATCH)
            for at, size in zip((y, x), pixels.shape[2:], strict=True)
        )
        part = pixels[0, :, top : top + PATCH, left : left + PATCH]
        short = min(pixels.shape[2:])
        peaks.append(Patch(float(inner[y, x]), number, (STRIDE * y / short, STRIDE * x / short), part))
        inner[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1] = -torch.inf
    return peaks


def _apart(patches: Sequence[Patch], count: int) -> list[Patch]:
    """The strongest ones, not of the same place at another size, nor too many of one image."""
    chosen: list[Patch] = []
    for patch in sorted(patches, key=lambda patch: -patch.response):
        same = [other for other in chosen if other.image == patch.image]
        near = any(max(abs(a - b) for a, b in zip(patch.place, o.place, strict=True)) < 0.12 for o in same)
        if len(same) < _PER_IMAGE and not near:
            chosen.append(patch)
        if len(chosen) == count:
            break
    return chosen


if __name__ == "__main__":
    main()
