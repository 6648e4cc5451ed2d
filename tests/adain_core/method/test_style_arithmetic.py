from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.method.normalization import Statistics
from adain_core.method.style import ShallowStatistics, Style, mix
from adain_core.method.style_arithmetic import extrapolate, toward


def style(layers=False, encoder_id="e"):
    def statistics(channels):
        return Statistics(torch.randn(1, channels), torch.rand(1, channels) * 3 + 0.01)

    shallow = ShallowStatistics([statistics(c) for c in (2, 4, 8)]) if layers else None
    return Style(statistics(16), encoder_id, shallow=shallow)


def test_a_weight_of_1_gives_that_style():
    a, b = style(), style()
    for found, wanted in ((extrapolate([a, b], [1, 0]), a), (extrapolate([a, b], [0, 3]), b), (toward(a, [b], [1]), b)):
        torch.testing.assert_close(found.statistics, wanted.statistics)


def test_going_away_and_coming_back():
    """What is twice as far from b as a is: halfway between it and b lies a."""
    a, b = style(layers=True), style(layers=True)
    far = toward(a, [b], [-1.0])
    assert (far.statistics.std > 0).all()
    back = toward(far, [b], [0.5])
    for found, wanted in zip(back.layers(), a.layers(), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_deviations_stay_positive_where_the_linear_mix_does_not():
    a, b = style(), style()
    found = extrapolate([a, b], [5, -4])
    assert (5 * a.statistics.std - 4 * b.statistics.std).min() < 0 < found.statistics.std.min()
    torch.testing.assert_close(found.statistics.mean, 5 * a.statistics.mean - 4 * b.statistics.mean)


def test_amounts_add_up():
    """Analogy: what leads from b to c, added to a."""
    a, b, c = style(), style(), style()
    found = toward(a, [b, c], [-1, 1]).statistics
    torch.testing.assert_close(found.mean, a.statistics.mean - b.statistics.mean + c.statistics.mean)
    torch.testing.assert_close(found.std, a.statistics.std * c.statistics.std / b.statistics.std)


def test_means_within_0_and_1_are_those_of_mix():
    a, b = style(), style()
    torch.testing.assert_close(
        extrapolate([a, b], [1, 3]).statistics.mean, mix([a, b], [1, 3]).statistics.mean, atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("weights", [[0, 0], [1, -1], [1, -2], [1, float("nan")], [1, float("inf")]])
def test_weights_that_have_no_sum(weights):
    with pytest.raises(AdaINError, match="weights: expected finite numbers that sum to more than 0, found"):
        extrapolate([style(), style()], weights)


def test_other_errors_are_those_of_mix():
    with pytest.raises(AdaINError, match="expected one weight for each style, found 2 and 1"):
        extrapolate([style(), style()], [1])
    with pytest.raises(AdaINError, match=r"one encoder \(e\), found another \(f\)"):
        toward(style(), [style(encoder_id="f")], [0.5])


def test_layers_are_known_where_all_know_them():
    assert len(extrapolate([style(True), style(True)], [2, -1]).layers()) == 4
    assert extrapolate([style(True), style()], [2, -1]).shallow is None
