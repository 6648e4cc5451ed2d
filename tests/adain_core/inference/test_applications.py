"""The user's styles, weights and masks as a list of applications of AdaIN."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError, Style
from adain_core.inference.applications import plan_applications
from adain_core.method.normalization import Statistics


def style(value):
    return Style(Statistics(torch.full((1, 4), value), torch.full((1, 4), value)), "id")


MASKS = [torch.zeros(1, 2, 2), torch.ones(1, 2, 2)]


def test_styles_without_masks_are_one_even_mix():
    ((mixed, mask),) = plan_applications([style(1.0), style(3.0)], None, [])
    assert mask is None
    assert torch.equal(mixed.statistics.mean, torch.full((1, 4), 2.0))


def test_weights_and_one_mask_for_all():
    ((mixed, mask),) = plan_applications([style(1.0), style(3.0)], [3.0, 1.0], MASKS[:1])
    assert mask is MASKS[0]
    assert torch.equal(mixed.statistics.std, torch.full((1, 4), 1.5))


def test_a_mask_per_style_keeps_their_order():
    styles = [style(1.0), style(3.0)]
    assert plan_applications(styles, None, MASKS) == list(zip(styles, MASKS, strict=True))


@pytest.mark.parametrize(
    ("weights", "masks", "message"),
    [
        ([1.0, 1.0], MASKS, "weights: cannot be combined with one mask per style; leave them out"),
        (None, [MASKS[0]] * 3, "masks: expected none, one, or one for each of 2 styles, found 3"),
        ([1.0], [], "styles: expected one weight for each style, found 2 and 1"),
    ],
)
def test_what_does_not_fit(weights, masks, message):
    with pytest.raises(AdaINError, match=message):
        plan_applications([style(1.0), style(3.0)], weights, masks)
