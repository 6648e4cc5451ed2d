"""The clusters that ship: whole, of the bundled encoder, and rightly named where that can be told without looking."""

from __future__ import annotations

import json

import pytest
import torch

from adain_core import AdaINError, Stylizer
from adain_core.images.files import load_picture
from adain_core.images.resize import scale_short_side
from adain_core.method.channel_clusters import RunningCorrelations, responses
from adain_core.models.channel_clusters import CLUSTERS, cluster, clusters_for, load_clusters

# Saved workflows hold these names: more may come, none may go.
NAMES = [
    *("figures", "small shapes", "rough texture", "crowded detail", "horizontal edges", "plain surfaces"),
    *("sky and water", "walls and windows", "flat shapes", "vertical edges", "rising diagonals"),
    *("strands and folds", "strong contrast", "V shapes", "dark spots", "falling diagonals"),
]


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu", pair="vgg19")


def test_every_channel_is_in_one_cluster(stylizer):
    clusters = load_clusters()
    assert list(clusters) == NAMES
    assert sorted(channel for channels in clusters.values() for channel in channels) == list(range(512))
    assert json.loads(CLUSTERS.read_text())["encoder"] == stylizer.encoder.fingerprint


def test_of_other_encoders_and_other_names():
    assert cluster("dark spots") == load_clusters()["dark spots"]
    assert clusters_for(192) is None
    with pytest.raises(AdaINError, match="cluster: expected a VGG encoder, whose 512 channels"):
        cluster("dark spots", 192)
    with pytest.raises(AdaINError, match=r"cluster: expected one of figures, .*, found 'bright spots'"):
        cluster("bright spots")


@pytest.mark.slow
def test_names_fit_what_excites_the_channels(stylizer, examples):
    """Drawn pictures: stripes in four directions, noise, and blue against red."""
    running = RunningCorrelations()
    for path in sorted(examples.glob("*_*.jpg")):
        running.add(stylizer.encode(scale_short_side(load_picture(path).pixels, 256)).tensor)
    mean, std = running.statistics()

    def excited(picture):
        maps = responses(
            stylizer.encode(picture.expand(1, 3, 160, 160)).tensor, mean, std, list(load_clusters().values())
        )
        return dict(zip(load_clusters(), maps[0, :, 4:-4, 4:-4].mean(dim=(1, 2)).tolist(), strict=True))

    y, x = torch.meshgrid(torch.arange(160.0), torch.arange(160.0), indexing="ij")
    directions = {
        "horizontal edges": y,
        "vertical edges": x,
        "rising diagonals": (x + y) / 2**0.5,
        "falling diagonals": (x - y + 320) / 2**0.5,
    }
    found = {name: excited(0.15 + 0.7 * ((along / 40).floor() % 2)) for name, along in directions.items()}
    for name, response in found.items():
        assert max(directions, key=response.get) == name
        assert max(directions, key=lambda other: found[other][name]) == name
    noise = excited(torch.rand(3, 160, 160))
    assert max(noise, key=noise.get) == "rough texture"
    blue, red = (excited(torch.tensor(color).view(3, 1, 1)) for color in ((0.35, 0.55, 0.85), (0.85, 0.4, 0.3)))
    assert blue["sky and water"] > red["sky and water"] + 0.1
