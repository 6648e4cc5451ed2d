"""Styles that change over time: linear between keys, constant outside them."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError
from adain_core.method.normalization import Statistics
from adain_core.method.style import Style, mix
from adain_core.video.style_keyframes import StyleTrack


def test_the_track():
    one, two = (Style(Statistics(torch.rand(1, 512), torch.rand(1, 512)), "encoder") for _ in range(2))
    track = StyleTrack([one, two, one], [10, 20, 40])
    for frame, shares in [(0, (1, 0)), (10, (1, 0)), (13, (0.7, 0.3)), (20, (0, 1)), (35, (0.75, 0.25)), (99, (1, 0))]:
        for found, a, b in zip(mix(*track.at(frame)).statistics, one.statistics, two.statistics, strict=True):
            torch.testing.assert_close(found, shares[0] * a + shares[1] * b)
    for found, expected in zip(
        mix(*StyleTrack([one, two]).at(7)).statistics, mix([one, two], [1, 1]).statistics, strict=True
    ):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("keys", "message"),
    [([0], "one frame for each of 2 styles, found 1"), ([5, 5], "increase .* found 5, 5"), ([-1, 5], "found -1, 5")],
)
def test_keys_that_do_not_fit(keys, message):
    style = Style(Statistics(torch.rand(1, 512), torch.rand(1, 512)), "encoder")
    with pytest.raises(AdaINError, match=f"keys: expected .*{message}"):
        StyleTrack([style, style], keys)
