from __future__ import annotations

import pytest
import torch

from adain_core.errors import AdaINError
from adain_core.images.color import ColorMatch, match_color


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


@pytest.mark.parametrize("method", ["mean-covariance", "luminance", "histogram"])
def test_flat_images_stay_finite(method):
    flat, other = torch.full((1, 3, 8, 8), 0.5), torch.rand(1, 3, 8, 8)
    for a, b in ((flat, other), (other, flat), (flat, flat)):
        assert match_color(a, b, method).isfinite().all()
    if method != "luminance":
        result = match_color(flat, other, method)
        torch.testing.assert_close(result.mean((2, 3)), other.mean((2, 3)), atol=1e-4, rtol=0)
    grey = torch.rand(1, 1, 8, 8).expand(-1, 3, -1, -1)
    for a, b in ((grey, other), (other, grey), (grey, flat), (flat, grey)):
        assert match_color(a, b, method).isfinite().all()


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


def axes_of(x):
    """Principal axes of colour, ``[B, 3, 3]``."""
    return torch.linalg.eigh(covariance(x.double())).eigenvectors


def test_histograms_along_the_principal_axes_become_the_references(image):
    """As many pixels in both: the same coordinates, in another order."""
    mix = torch.tensor([[0.3, 0.1, 0.0], [0.1, 0.2, 0.05], [0.0, 0.1, 0.1]])
    skewed = torch.rand(2, 3, 30, 20).pow(4)
    reference = torch.einsum("ij,bjhw->bihw", mix, skewed) + 0.3
    result = match_color(image, reference, "histogram")
    assert result.min() > 0
    assert result.max() < 1
    axes = axes_of(reference).transpose(1, 2)
    found, wanted = ((axes @ x.double().flatten(2)).sort(dim=2).values for x in (result, reference))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    # Mean and covariance alone leave them symmetric, as the image's were.
    plain = (axes @ match_color(image, reference).double().flatten(2)).sort(dim=2).values
    assert (plain - wanted).abs().max() > 0.05


@pytest.mark.parametrize("method", ["mean-covariance", "luminance", "histogram"])
def test_strength_blends(image, reference, method):
    whole = match_color(image, reference, method)
    assert torch.equal(match_color(image, reference, method, strength=0.0), image)
    assert torch.equal(match_color(image, reference, method, strength=1.0), whole)
    half = match_color(image, reference, method, strength=0.5)
    torch.testing.assert_close(half, (image + whole) / 2)
    with pytest.raises(AdaINError, match=r"strength: expected a number of 0 to 1, found 1\.5"):
        match_color(image, reference, method, strength=1.5)


def test_histogram_of_a_grey_image_is_along_one_line(reference):
    """The brightest pixels become one end of the line, the darkest the other; nothing is made up beside it."""
    grey = torch.linspace(0, 1, 150).reshape(1, 1, 10, 15).expand(-1, 3, -1, -1)
    result = match_color(grey, reference[:1], "histogram")
    variances = torch.linalg.eigvalsh(covariance(result.double()))[0]
    assert variances[1] < 1e-9 < 1e-3 < variances[2]
    torch.testing.assert_close(result.mean((2, 3)), reference[:1].mean((2, 3)), atol=1e-5, rtol=0)
    order = (result * (result[..., -1:, -1:] - result[..., :1, :1])).sum(1).flatten().diff()
    assert (order > 0).all()


def test_histogram_of_a_grey_reference(image):
    grey = (torch.rand(1, 1, 20, 30) ** 3).expand(-1, 3, -1, -1)
    result = match_color(image, grey, "histogram")
    torch.testing.assert_close(result[:, 0], result[:, 2], atol=1e-6, rtol=0)
    for sample in result:
        torch.testing.assert_close(sample[0].flatten().sort().values, grey[0, 0].flatten().sort().values)


def test_equal_colours_stay_equal(reference):
    few = torch.randint(0, 3, (1, 3, 40, 40)).float() / 4
    result = match_color(few, reference[:1], "histogram")
    assert len(result.flatten(2)[0].T.unique(dim=0)) <= len(few.flatten(2)[0].T.unique(dim=0))
    torch.testing.assert_close(result.mean((2, 3)), reference[:1].mean((2, 3)), atol=2e-3, rtol=0)


def test_luminance_is_refused_before_stylizing():
    with pytest.raises(
        AdaINError,
        match=r"color method: luminance is matched pixel by pixel, so expected it after stylizing \(--color-after\)",
    ):
        ColorMatch("luminance")
    with pytest.raises(AdaINError, match="color method: expected one of mean-covariance, luminance, histogram, found"):
        ColorMatch("hue")
