"""Several styles in several regions, against the single application."""

from __future__ import annotations

import itertools

import pytest
import torch

from adain_core.method.adain import adain
from adain_core.method.normalization import Statistics, adaptive_instance_norm, channel_statistics
from adain_core.method.regions import Region, adain_in_regions, remaining, shares
from adain_core.method.style import Style, mix


@pytest.fixture
def content():
    return torch.relu(torch.randn(2, 8, 9, 11) * 2 + 0.5)


@pytest.fixture
def styles():
    return [channel_statistics(torch.relu(torch.randn(1, 8, 6, 5) * k + k)) for k in (1, 2, 3)]


def regions(content, styles, masks):
    given = zip(styles, shares(masks), strict=True)
    return [Region(style, share, channel_statistics(content, share)) for style, share in given]


def test_each_region_has_its_own_statistics(content, styles):
    """Hard masks: inside each region the statistics are that region's style's, as if it were alone."""
    masks = [torch.zeros(1, 9, 11) for _ in range(2)]
    masks[0][..., :5], masks[1][..., 5:] = 1, 1
    result = adain_in_regions(content, regions(content, styles[:2], masks))
    for part, style in ((slice(0, 5), styles[0]), (slice(5, 11), styles[1])):
        torch.testing.assert_close(
            result[..., part], adaptive_instance_norm(content[..., part], style), atol=1e-5, rtol=1e-5
        )


def test_no_region_comes_before_another(content, styles):
    masks = [torch.rand(2, 9, 11) for _ in styles]
    results = []
    for order in itertools.permutations(range(3)):
        given = regions(content, [styles[k] for k in order], [masks[k] for k in order])
        results.append(adain_in_regions(content, given, 0.8, torch.rand(8, generator=torch.Generator().manual_seed(1))))
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], atol=1e-5, rtol=1e-5)


def test_weights_that_add_up_to_one_are_one_application_of_the_mix(content, styles):
    weights = [0.2, 0.5, 0.3]
    result = adain_in_regions(content, regions(content, styles, [torch.full((1, 9, 11), w) for w in weights]), 0.7)
    mixed = mix([Style(style, "e") for style in styles], weights)
    torch.testing.assert_close(result, adain(content, mixed.statistics, 0.7), atol=1e-5, rtol=1e-5)


def test_one_region_is_adain_with_its_mask(content, styles):
    mask = torch.rand(2, 9, 11)
    result = adain_in_regions(content, regions(content, styles[:1], [mask]), 0.7)
    assert torch.equal(result, adain(content, styles[0], 0.7, mask=mask))


def test_where_no_region_is_the_content_stays_to_the_bit(content, styles):
    masks = [torch.rand(1, 9, 11) for _ in styles]
    for mask in masks:
        mask[:, 3:6] = 0
    result = adain_in_regions(content, regions(content, styles, masks))
    assert torch.equal(result[:, :, 3:6], content[:, :, 3:6])
    assert not torch.isclose(result[:, :, :3], content[:, :, :3]).all()


def test_shares():
    whole, half, none = torch.ones(1, 1, 2), torch.full((1, 1, 2), 0.5), torch.zeros(2, 1, 2)
    assert [share.tolist() for share in shares([half, half])] == [half.tolist()] * 2
    torch.testing.assert_close(torch.cat(shares([whole, half])), torch.tensor([[[2 / 3] * 2], [[1 / 3] * 2]]))
    assert torch.equal(shares([none, whole])[0], none)


def test_remaining():
    assert torch.equal(remaining([], (1, 2)), torch.ones(1, 1, 2))
    masks = [torch.tensor([[[0.5, 1.0]]]), torch.tensor([[[0.25, 1.0]]])]
    assert remaining(masks, (1, 2)).tolist() == [[[0.25, 0.0]]]


def test_half_precision(content, styles):
    masks = [torch.rand(1, 9, 11) for _ in styles]
    given = regions(content, styles, masks)
    result = adain_in_regions(content.half(), given)
    assert result.dtype == torch.float16
    torch.testing.assert_close(result.float(), adain_in_regions(content, given), atol=5e-2, rtol=5e-3)


def test_alpha_zero_is_the_content_to_the_bit(content):
    region = Region(Statistics(torch.ones(1, 8), torch.ones(1, 8)), torch.ones(1, 9, 11), channel_statistics(content))
    assert torch.equal(adain_in_regions(content, [region], 0.0), content)
