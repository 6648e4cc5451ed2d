from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.images.color import match_color


@pytest.fixture
def image():
    return torch.rand(2, 3, 20, 30) * 0.3 + 0.3


@pytest.fixture
def reference():
    mix = torch.tensor([[0.3, 0.1, 0.0], [0.1, 0.2, 0.05], [0.0, 0.1, 0.1]])
    return torch.einsum("ij,bjhw->bihw", mix, torch.rand(2, 3, 15, 10)) + 0.3


def covariance(x):
    return torch.stack([torch.cov(sample.flatten(1), correction=0) for sample in x])


def test_mean_and_covariance_become_the_references(image, reference):
    result = match_color(image, reference)
    torch.testing.assert_close(result.mean((2, 3)), reference.mean((2, 3)), atol=1e-4, rtol=0)
    torch.testing.assert_close(covariance(result), covariance(reference), atol=1e-4, rtol=0)


def test_matching_itself_changes_nothing(image):
    torch.testing.assert_close(match_color(image, image), image, atol=1e-4, rtol=0)


def test_one_reference_for_all(image, reference):
    result = match_color(image, reference[:1])
    torch.testing.assert_close(result[1].mean((1, 2)), reference[0].mean((1, 2)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", ["mean-covariance", "luminance"])
def test_flat_images_stay_finite(method):
    flat, other = torch.full((1, 3, 8, 8), 0.5), torch.rand(1, 3, 8, 8)
    for a, b in ((flat, other), (other, flat), (flat, flat)):
        assert match_color(a, b, method).isfinite().all()
    torch.testing.assert_close(match_color(flat, other).mean((2, 3)), other.mean((2, 3)), atol=1e-4, rtol=0)
    grey = torch.rand(1, 1, 8, 8).expand(-1, 3, -1, -1)
    assert match_color(grey, other).isfinite().all()


def test_luminance_of_the_image_and_chrominance_of_the_reference(image):
    reference = torch.rand(2, 3, 20, 30) * 0.2 + 0.4
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    result = match_color(image, reference, "luminance")
    torch.testing.assert_close((result * weights).sum(1), (image * weights).sum(1), atol=1e-5, rtol=0)
    for a, b in ((0, 1), (1, 2)):
        torch.testing.assert_close(result[:, a] - result[:, b], reference[:, a] - reference[:, b], atol=1e-5, rtol=0)


def test_a_reference_of_another_size_is_stretched_for_luminance(image):
    flat = torch.tensor([0.5, 0.4, 0.3])[:, None, None]
    result = match_color(image, flat.expand(1, 3, 5, 7), "luminance")
    torch.testing.assert_close(result, match_color(image, flat.expand(1, 3, 20, 30), "luminance"))


def test_errors(image):
    with pytest.raises(AdaINError, match="method: expected one of mean-covariance, luminance"):
        match_color(image, image, "hue")
    with pytest.raises(AdaINError, match="expected a batch of 1 or of 2 like the image, found 3"):
        match_color(image, torch.rand(3, 3, 5, 5))


def test_weights_leave_out_what_is_not_seen(image, reference):
    """As if only the visible halves were there."""
    weights, reference_weights = torch.zeros(20, 30), torch.zeros(15, 10)
    weights[:, :15] = reference_weights[5:] = 0.5
    found = match_color(image, reference, weights=weights, reference_weights=reference_weights)
    expected = match_color(image[..., :15], reference[..., 5:, :])
    torch.testing.assert_close(found[..., :15], expected)
    weights = torch.rand(2, 20, 30)
    result = match_color(image, reference, weights=weights).double()
    mean = (result * weights[:, None]).sum((2, 3)) / weights.sum((1, 2))[:, None]
    torch.testing.assert_close(mean.float(), reference.mean((2, 3)), atol=1e-4, rtol=0)
