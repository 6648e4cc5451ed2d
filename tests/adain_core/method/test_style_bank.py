"""A bank of styles: joined of several, one of it, or their mix."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError, load_style, mix, save_style
from adain_core.method.normalization import Statistics
from adain_core.method.style import ShallowStatistics, Style
from adain_core.method.style_bank import joined, mixed, row


def statistics(channels):
    return Statistics(torch.rand(3, channels), torch.rand(3, channels) + 0.1)


@pytest.fixture
def bank():
    return Style(statistics(512), "e", shallow=ShallowStatistics([statistics(64), statistics(128), statistics(256)]))


def test_one_of_it_and_a_mix(bank, tmp_path):
    save_style(tmp_path / "bank.safetensors", bank)
    for styles in (bank, load_style(tmp_path / "bank.safetensors")):
        second = row(styles, 1)
        assert second.batch == 1
        for found, layer in zip(second.layers(), bank.layers(), strict=True):
            assert torch.equal(found.mean, layer.mean[1:2])
            assert torch.equal(found.std, layer.std[1:2])
        between = mixed(styles, [1, 0, 3])
        for found, layer in zip(between.layers(), bank.layers(), strict=True):
            torch.testing.assert_close(found.mean[0], 0.25 * layer.mean[0] + 0.75 * layer.mean[2])
    expected = mix([row(bank, 0), row(bank, 2)], [1, 3])
    torch.testing.assert_close(between.statistics, expected.statistics)


def test_joined_in_order_and_taken_apart_again(bank):
    one = row(bank, 2)
    both = joined([one, bank])
    assert both.batch == 4
    for number, expected in enumerate([one, *(row(bank, k) for k in range(3))]):
        for found, wanted in zip(row(both, number).layers(), expected.layers(), strict=True):
            assert torch.equal(found.mean, wanted.mean)
            assert torch.equal(found.std, wanted.std)
    of_1_0_0 = Style(one.statistics, "e")
    assert joined([bank, of_1_0_0]).shallow is None
    with pytest.raises(AdaINError, match="encoder: expected everything to come from one encoder"):
        joined([bank, Style(one.statistics, "another")])


def test_mistakes(bank):
    for number in (-1, 3):
        with pytest.raises(AdaINError, match=f"number: expected one from 0 to 2.*, found {number}"):
            row(bank, number)
    with pytest.raises(AdaINError, match="weights: expected one for each of 3 styles, found 2"):
        mixed(bank, [1, 1])
