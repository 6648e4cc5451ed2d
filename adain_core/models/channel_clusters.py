"""Clusters of VGG's channels by name, from the weights folder: each is of channels that vary together.

Named by the patches that excite them most. benchmarks/channel_clusters.py computes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from ..errors import AdaINError, check_known
from ..method.features import FEATURE_CHANNELS
from .bundled import WEIGHTS
from .fine import FINE_CHANNELS

CLUSTERS = WEIGHTS / "channel_clusters.json"


@lru_cache(maxsize=1)
def load_clusters() -> Mapping[str, tuple[int, ...]]:
    """The channels of each cluster by its name, counted from 0; each of VGG's 512 channels is in one of them.

    Raises:
        AdaINError: the file is missing.
    """
    if not CLUSTERS.is_file():
        raise AdaINError(f"{CLUSTERS.name}: expected a file in {CLUSTERS.parent}, found none; install the pack again")
    clusters = json.loads(CLUSTERS.read_text(encoding="utf-8"))["clusters"]
    return {name: tuple(channels) for name, channels in clusters.items()}


def clusters_for(count: int) -> Mapping[str, tuple[int, ...]] | None:
    """The clusters for an encoder of so many channels; None for one that has none, such as the light encoder."""
    return load_clusters() if count in (FEATURE_CHANNELS, FINE_CHANNELS) else None


def cluster(name: str, count: int = FEATURE_CHANNELS) -> tuple[int, ...]:
    """A cluster's channels.

    Args:
        name: one of `load_clusters`.
        count: how many channels the encoder has.

    Raises:
        AdaINError: another name, or an encoder whose channels are not VGG's 512.
    """
    clusters = clusters_for(count)
    if clusters is None:
        raise AdaINError(
            f"cluster: expected a VGG encoder, whose {FEATURE_CHANNELS} channels the clusters are of, found one of "
            f"{count} channels; choose by range, list, difference or random"
        )
    check_known("cluster", name, tuple(clusters))
    return clusters[name]
