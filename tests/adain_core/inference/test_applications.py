"""The user's styles, weights and masks as a list of applications of AdaIN."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError, Style
from adain_core.inference.applications import in_shares, plan_applications, plan_regions
from adain_core.method.normalization import Statistics


def style(value):
    return Style(Statistics(torch.full((1, 4), value), torch.full((1, 4), value)), "id")


SIZE = (2, 2)
MASKS = [torch.zeros(1, 2, 2), torch.ones(1, 2, 2)]


def test_styles_without_masks_are_one_even_mix():
    ((mixed, mask),) = plan_applications([style(1.0), style(3.0)], None, [], SIZE)
    assert mask is None
    assert torch.equal(mixed.statistics.mean, torch.full((1, 4), 2.0))


def test_weights_and_one_mask_for_all():
    ((mixed, mask),) = plan_applications([style(1.0), style(3.0)], [3.0, 1.0], MASKS[:1], SIZE)
    assert mask is MASKS[0]
    assert torch.equal(mixed.statistics.std, torch.full((1, 4), 1.5))


def test_a_mask_per_style():
    styles = [style(1.0), style(3.0)]
    plan = plan_applications(styles, None, [MASKS[0], torch.ones(4, 4)], SIZE)
    assert [one.style for one in plan] == styles
    assert torch.equal(plan[0].mask, MASKS[0])
    assert torch.equal(plan[1].mask, MASKS[1])


def test_regions_of_one_style_are_one_region():
    left, right, middle = torch.zeros(3, 1, 2, 2)
    left[..., 0], right[..., 1], middle[:] = 1, 1, 0.25
    plan = plan_regions([style(1.0), style(3.0), style(1.0)], [left, middle, right], SIZE)
    assert [float(one.style.statistics.mean[0, 0]) for one in plan] == [1, 3]
    assert torch.equal(plan[0].mask, torch.ones(1, 2, 2))
    assert torch.equal(plan[1].mask, middle)


def test_a_style_without_a_mask_takes_what_is_left():
    first, second = torch.full((1, 2, 2), 0.25), torch.tensor([[[1.0, 0.0], [0.0, 0.5]]])
    plan = plan_regions([style(1.0), style(2.0), style(3.0)], [first, None, second], SIZE)
    assert torch.equal(plan[1].mask, torch.tensor([[[0.0, 0.75], [0.75, 0.25]]]))
    (whole,) = plan_regions([style(1.0)], [None], SIZE)
    assert torch.equal(whole.mask, torch.ones(1, 2, 2))
    with pytest.raises(AdaINError, match="masks: expected one for all styles but one, found 1 for 3 styles"):
        plan_regions([style(1.0), style(2.0), style(3.0)], [first, None, None], SIZE)


def test_shares_add_up_to_one_at_most():
    styles, masks = [style(1.0), style(2.0)], [torch.tensor([[[1.0, 0.2]]]), torch.tensor([[[1.0, 0.4]]])]
    shares = [one.mask for one in in_shares(plan_regions(styles, masks, (1, 2)))]
    torch.testing.assert_close(torch.cat(shares), torch.tensor([[[0.5, 0.2]], [[0.5, 0.4]]]))
    alone = plan_applications(styles[:1], None, [], SIZE)
    assert in_shares(alone) == alone


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
        plan_applications([style(1.0), style(3.0)], weights, masks, SIZE)
