"""Styles and how they mix; that mixing them equals mixing outputs is in test_adain."""

from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.method.normalization import Statistics
from adain_core.method.style import Style, check_style_size, mix


def style(value, batch=1):
    return Style(Statistics(torch.full((batch, 8), float(value)), torch.full((batch, 8), 2.0 * value)), "e")


def test_weights_are_scaled_to_sum_to_1():
    mixed = mix([style(1), style(5)], [3, 1])
    assert mixed.statistics.mean.tolist() == [[2.0] * 8]
    assert mixed.statistics.std.tolist() == [[4.0] * 8]
    assert mixed.encoder_id == "e"


def test_a_batch_of_one_is_broadcast():
    mixed = mix([style(1), style(3, batch=2)], [1, 1])
    assert mixed.batch == 2
    assert mixed.statistics.mean.tolist() == [[2.0] * 8] * 2


def test_to_keeps_everything_but_the_device():
    moved = Style(style(1).statistics, "e", {"name": "x"}).to("meta")
    assert (moved.statistics.std.device.type, moved.encoder_id, moved.info) == ("meta", "e", {"name": "x"})


@pytest.mark.parametrize("weights", [[0, 0], [1, -1], [1, float("nan")], [1, float("inf")]])
def test_weights_that_cannot_mix(weights):
    with pytest.raises(AdaINError, match="weights: expected finite numbers of at least 0, one of them above 0, found"):
        mix([style(1), style(2)], weights)


def test_one_weight_for_each_style():
    for styles, weights in (([style(1), style(2)], [1]), ([], [])):
        message = f"expected one weight for each style, found {len(styles)} and {len(weights)}"
        with pytest.raises(AdaINError, match=message):
            mix(styles, weights)


def test_batches_that_do_not_mix():
    with pytest.raises(AdaINError, match="second: expected a batch of 1 or of 3 like another style, found 2"):
        mix([style(1, 3), style(1, 2)], [1, 1], ["first", "second"])
    with pytest.raises(AdaINError, match="style 1: expected a batch of 1 or of 3 like another style, found 2"):
        mix([style(1, 2), style(1, 3)], [1, 1])


def test_styles_of_two_encoders_do_not_mix():
    statistics = style(1).statistics
    with pytest.raises(AdaINError, match=r"one encoder \(a\), found another \(b\)"):
        mix([Style(statistics, "a"), Style(statistics, "b")], [1, 1])


def test_style_size():
    check_style_size(0)
    with pytest.raises(AdaINError, match="style size: expected 0 or a number of pixels, found -1"):
        check_style_size(-1)
