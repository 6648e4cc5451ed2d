"""Learning rates against closed forms, crop schedules, and what they refuse."""

from __future__ import annotations

import pytest

from adain_core.errors import AdaINError
from adain_core.training.optimization.schedule import crop_size, learning_rate, parse_crop_sizes


def test_the_papers_decay():
    assert learning_rate(0, 1e-4, "decay", 160_000) == 1e-4
    assert learning_rate(20_000, 1e-4, "decay", 160_000) == pytest.approx(0.5e-4)
    assert learning_rate(159_999, 1e-4, "decay", 160_000) == pytest.approx(1e-4 / 8.99995)


def test_cosine_goes_from_full_to_final():
    assert learning_rate(0, 2.0, "cosine", 100, final=0.1) == 2.0
    assert learning_rate(50, 2.0, "cosine", 100, final=0.1) == pytest.approx(2 * 0.55)
    assert learning_rate(100, 2.0, "cosine", 100, final=0.1) == pytest.approx(0.2)
    assert learning_rate(150, 2.0, "cosine", 100, final=0.1) == pytest.approx(0.2)


def test_warmup_rises_to_the_schedule():
    rates = [learning_rate(step, 1.0, "constant", 100, warmup=4) for step in range(6)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_crop_sizes_change_at_their_steps():
    sizes = parse_crop_sizes("0:64, 100:128,250:256")
    assert [crop_size(step, sizes) for step in (0, 99, 100, 249, 250, 9999)] == [64, 64, 128, 128, 256, 256]
    assert parse_crop_sizes("256") == ((0, 256),)


@pytest.mark.parametrize("text", ["", "abc", "8", "100", "10:64", "0:64,0:128", "0:128,50:64,20:64", "0:64:3"])
def test_bad_crop_sizes_are_refused(text):
    with pytest.raises(AdaINError, match="crop size: expected"):
        parse_crop_sizes(text)
