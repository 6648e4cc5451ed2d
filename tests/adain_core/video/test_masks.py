"""Masks of a video's frames: one or one for each, from memory or from a file, and from any frame on."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from adain_core import AdaINError
from adain_core.video.animation import open_video
from adain_core.video.masks import MaskTrack

pytest.importorskip("av")

MASKS = torch.arange(5.0)[:, None, None].expand(-1, 8, 12) / 4


def first(track, since, count):
    return torch.cat(list(islice(track.since(since), count)))


@pytest.mark.parametrize("since", [0, 3, 4, 9])
def test_from_memory(since):
    """The last one stays where there are fewer than frames."""
    expected = MASKS[[min(since + k, 4) for k in range(4)]]
    assert torch.equal(first(MaskTrack(MASKS, None), since, 4), expected)
    assert torch.equal(first(MaskTrack(MASKS[1:2], 700), since, 4), MASKS[1:2].expand(4, -1, -1))


@pytest.mark.parametrize("since", [0, 3, 9])
def test_from_a_file(since, tmp_path):
    """Brightness times opacity: the right half is transparent."""
    layers = []
    for mask in MASKS:
        levels = np.repeat((mask.numpy() * 255).round().astype(np.uint8)[..., None], 4, axis=2)
        levels[:, :6, 3], levels[:, 6:, 3] = 255, 0
        layers.append(Image.fromarray(levels))
    path = tmp_path / "masks.webp"
    layers[0].save(path, save_all=True, append_images=layers[1:], lossless=True, duration=40)
    found = first(MaskTrack(open_video(path), 5), since, 4)
    expected = MASKS[[min(since + k, 4) for k in range(4)]].clone()
    expected[..., 6:] = 0
    assert abs(found - expected).max() < 0.003


def test_other_numbers_and_other_values():
    with pytest.raises(AdaINError, match="mask: expected one, or one for each of 60 frames, found 5"):
        MaskTrack(MASKS, 60)
    MaskTrack(MASKS, 6)  # some formats only say about how many frames there are
    with pytest.raises(AdaINError, match="mask: expected finite values"):
        MaskTrack(torch.full((1, 4, 4), torch.nan), 6)


def test_settings_tell_masks_apart():
    known = {MaskTrack(masks, None).settings() for masks in (MASKS, MASKS[:4], MASKS[:, :4], 1 - MASKS)}
    assert len(known) == 4
    assert MaskTrack(MASKS.clone().half(), None).settings() in known
