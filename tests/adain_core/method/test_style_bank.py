"""A bank of styles: one of it, or their mix."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError, load_style, mix, save_style
from adain_core.method.normalization import Statistics
from adain_core.method.style import ShallowStatistics, Style
from adain_core.method.style_bank import mixed, row


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


def test_mistakes(bank):
    for number in (-1, 3):
        with pytest.raises(AdaINError, match=f"number: expected one from 0 to 2.*, found {number}"):
            row(bank, number)
    with pytest.raises(AdaINError, match="weights: expected one for each of 3 styles, found 2"):
        mixed(bank, [1, 1])
