"""The stream of crops: what is read, what is skipped, and that it depends on seed and sample number alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adain_core.images.folders import list_images
from adain_core.training.config import TrainingConfig
from adain_core.training.data.batches import stream
from adain_core.training.data.samples import Pairs, generator, hold_out, order, random_crop
from tests.adain_core.pictures import write_pictures


def config(**values):
    return TrainingConfig(**({"batch_size": 4, "crop_sizes": ((0, 32),), "resize": (32, 48)} | values))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("images")
    return write_pictures(base / "content", 7), write_pictures(base / "style", 5, seed=1)


def pairs(folders, **values):
    return Pairs(*(list_images(folder) for folder in folders), config(**values))


def same(first, second):
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("content", "style", "identity"))


def test_every_image_comes_once_per_pass(folders):
    for turn in range(3):
        assert sorted(order(5, "content", turn, 7).tolist()) == list(range(7))
    assert not torch.equal(order(5, "content", 0, 50), order(5, "content", 1, 50))
    assert not torch.equal(order(5, "content", 0, 50), order(6, "content", 0, 50))


def test_seeds_decide(folders):
    first, again, other = (next(iter(stream(pairs(folders, seed=seed), range(1), workers=0))) for seed in (3, 3, 4))
    assert same(first, again)
    assert not torch.equal(first.content, other.content)


def test_crop_schedule(folders):
    source = pairs(folders, crop_sizes=((0, 16), (2, 32)))
    assert [batch.content.shape[-1] for batch in stream(source, range(4), workers=0)] == [16, 16, 32, 32]


def test_style_crops_stay_for_some_batches(folders):
    batches = list(stream(pairs(folders, style_reuse=2, identity_share=0.25), range(6), workers=0))
    assert [batch.styles for batch in batches] == [(0, 32), (0, 32), (1, 32), (1, 32), (2, 32), (2, 32)]
    for first, second in (batches[:2], batches[2:4]):
        assert torch.equal(first.identity, second.identity)
        others = ~first.identity
        assert torch.equal(first.style[others], second.style[others])
        assert not (first.content == second.content).flatten(1).all(dim=1).any()
    assert not torch.equal(batches[1].style, batches[2].style)


def test_identity_samples_have_exactly_their_share(folders):
    batches = list(stream(pairs(folders, identity_share=0.375, style_reuse=1), range(4), workers=0))
    identity = torch.cat([batch.identity for batch in batches])
    assert int(identity.sum()) == 6
    for batch in batches:
        equal = (batch.content == batch.style).flatten(1).all(dim=1)
        assert torch.equal(equal, batch.identity)


def ramp(height, width):
    """Red is the column, green the row, both 0..1."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)])


def test_crops_lie_inside_and_have_the_wanted_scale():
    pixels = ramp(64, 128)
    flips = 0
    for n in range(60):
        crop = random_crop(pixels, 32, (32, 64), generator(0, n))
        assert crop.shape == (3, 32, 32)
        across = (crop[0, :, -1] - crop[0, :, 0]).mean() * 127 / 31 * 32 / 128
        down = (crop[1, -1] - crop[1, 0]).mean() * 63 / 31 * 32 / 64
        flips += int(across < 0)
        # Cut out between half of the height (short side 64) and all of it (short side 32).
        assert 0.45 <= down <= 1.05
        assert abs(across) * 2 == pytest.approx(float(down), rel=0.06)
    assert 15 <= flips <= 45


def test_images_are_enlarged_only_as_far_as_the_crop_needs():
    small = ramp(40, 60)
    assert random_crop(small, 32, (512, 512), generator(0)).shape == (3, 32, 32)
    down = [
        (crop[1, -1] - crop[1, 0]).mean().item()
        for crop in (random_crop(small, 32, (512, 512), generator(0, n)) for n in range(20))
    ]
    assert np.allclose(down, 31 / 39, atol=1e-4)  # 32 of the 40 rows as they are, never fewer
    assert random_crop(ramp(20, 60), 32, (512, 512), generator(0)).shape == (3, 32, 32)


def test_hold_out_takes_from_large_folders_only():
    paths = [f"{k:03d}" for k in range(100)]
    training, held = hold_out(paths, 4)
    assert held == ["000", "025", "050", "075"]
    assert sorted(training + held) == paths
    assert hold_out(paths[:8], 4) == (paths[:8], ["000", "002", "004", "006"])
    assert hold_out(paths[:2], 4) == (paths[:2], ["000", "001"])


def test_a_share_of_the_style_crops_is_redrawn(folders):
    plain, redrawn = ([pairs(folders, redrawn_share=share)[n] for n in range(40)] for share in (0, 0.4))
    changed = [not torch.equal(before[1], after[1]) for before, after in zip(plain, redrawn, strict=True)]
    assert 8 <= sum(changed) <= 24
    assert all(torch.equal(before[0], after[0]) for before, after in zip(plain, redrawn, strict=True))
