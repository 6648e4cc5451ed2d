from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.method import normalization
from adain_core.method.adain import adain
from adain_core.method.normalization import Statistics, adaptive_instance_norm, channel_statistics
from adain_core.method.style import Style, mix


@pytest.fixture
def content():
    return torch.relu(torch.randn(2, 8, 9, 11) * 2 + 0.5)


@pytest.fixture
def style():
    return channel_statistics(torch.relu(torch.randn(2, 8, 6, 5) + 1))


def test_full_strength_is_equation_8(content, style):
    torch.testing.assert_close(adain(content, style), adaptive_instance_norm(content, style), atol=1e-5, rtol=1e-5)
    result = channel_statistics(adain(content, style))
    torch.testing.assert_close(result.mean, style.mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(result.std, style.std, atol=1e-4, rtol=0)


def test_alpha_zero_is_the_content_to_the_bit(content, style):
    assert torch.equal(adain(content, style, 0.0), content)


def test_alpha_blends_features(content, style):
    expected = 0.7 * content + 0.3 * adaptive_instance_norm(content, style)
    torch.testing.assert_close(adain(content, style, 0.3), expected, atol=1e-5, rtol=1e-5)


def test_content_as_style_is_the_identity(content):
    torch.testing.assert_close(adain(content, channel_statistics(content)), content, atol=1e-5, rtol=0)


def test_mask_of_ones_is_no_mask(content, style):
    torch.testing.assert_close(
        adain(content, style, 0.8, mask=torch.ones(1, 9, 11), channels=torch.ones(8)),
        adain(content, style, 0.8),
        atol=1e-5,
        rtol=1e-5,
    )


def test_weight_zero_is_the_content_to_the_bit(content, style):
    mask = torch.ones(1, 9, 11)
    mask[..., 4:] = 0
    channels = torch.ones(8)
    channels[[1, 5]] = 0
    result = adain(content, style, 1.0, channels, mask)
    assert torch.equal(result[..., 4:], content[..., 4:])
    assert torch.equal(result[:, [1, 5]], content[:, [1, 5]])
    assert torch.equal(adain(content, style, 1.0, channels)[:, [1, 5]], content[:, [1, 5]])
    assert not torch.isclose(result[:, 0, :, :4], content[:, 0, :, :4]).all()


def test_statistics_are_taken_and_given_inside_the_mask(content, style):
    mask = torch.zeros(2, 9, 11)
    mask[:, 2:8, 1:7] = 1
    inside = channel_statistics(adain(content, style, mask=mask)[..., 2:8, 1:7])
    torch.testing.assert_close(inside.mean, style.mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(inside.std, style.std, atol=1e-4, rtol=0)


def test_effective_weight_is_the_product(content, style):
    mask, channels = torch.rand(2, 9, 11), torch.rand(8)
    full = adaptive_instance_norm(content, style, mask)
    weight = 0.6 * channels[:, None, None] * mask[:, None]
    expected = (1 - weight) * content + weight * full
    torch.testing.assert_close(adain(content, style, 0.6, channels, mask), expected, atol=1e-5, rtol=1e-5)


def test_an_empty_mask_of_one_sample_leaves_it_alone(content, style):
    mask = torch.ones(2, 9, 11)
    mask[0] = 0
    result = adain(content, style, mask=mask)
    assert torch.equal(result[0], content[0])
    torch.testing.assert_close(result[1], adain(content, style)[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("known", [True, False])
def test_a_mask_on_another_device(content, style, monkeypatch, known):
    """On the meta device, which holds no values to read: nor would a GPU want to be read."""
    monkeypatch.setattr(normalization, "check_not_empty", lambda mask: None)
    content, style = content.to("meta"), Statistics(*(s.to("meta") for s in style))
    found = adain(content, style, mask=torch.ones(2, 9, 11), content_statistics=style if known else None)
    assert (found.device.type, found.shape) == ("meta", content.shape)


def test_mixing_statistics_equals_mixing_outputs(content):
    styles = [Style(channel_statistics(torch.randn(1, 8, 6, 6) * k + k), "e") for k in (1, 2, 3)]
    weights = [0.2, 0.5, 0.3]
    mixed = adain(content, mix(styles, weights).statistics)
    expected = sum(w * adain(content, s.statistics) for w, s in zip(weights, styles, strict=True))
    torch.testing.assert_close(mixed, expected, atol=1e-5, rtol=1e-5)


def test_half_precision_stays_half(content, style):
    result = adain(content.half(), style, 0.5)
    assert result.dtype == torch.float16
    torch.testing.assert_close(result.float(), adain(content, style, 0.5), atol=2e-2, rtol=2e-3)


@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), -0.1, 1.1])
def test_alpha_outside(content, style, alpha):
    with pytest.raises(AdaINError, match="alpha: expected a number from 0"):
        adain(content, style, alpha)


def test_shapes_that_do_not_fit(content, style):
    three = Statistics(torch.ones(3, 8), torch.ones(3, 8))
    with pytest.raises(AdaINError, match="style: expected a batch of 1 or of 2 like the content, found 3"):
        adain(content, three)
    with pytest.raises(AdaINError, match="expected statistics of 8 channels like the content, found 5"):
        adain(content, Statistics(torch.ones(1, 5), torch.ones(1, 5)))
    with pytest.raises(AdaINError, match="expected one weight for each of 8 channels"):
        adain(content, style, channels=torch.ones(7))
