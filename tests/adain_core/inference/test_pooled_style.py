"""A style of many images equals that of all their features together."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError, Stylizer, mix
from adain_core.method.normalization import channel_statistics
from adain_core.method.spatial_masks import to_feature_grid
from adain_core.models.vgg import VGGEncoder


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu", pair="vgg19")


SIZES = ((40, 64), (33, 23), (72, 48))


@pytest.fixture
def images():
    return [torch.rand(1, 3, *size) * k / 3 for k, size in enumerate(SIZES, start=1)]


def test_statistics_are_those_of_all_positions_at_all_four_layers(stylizer, images):
    found = stylizer.pooled_style((image, None) for image in images)
    assert found.encoder_id == stylizer.encoder.fingerprint
    assert isinstance(stylizer.encoder, VGGEncoder)
    with torch.no_grad():
        taps = [stylizer.encoder.taps(image) for image in images]
    for layer, maps in zip(found.layers(), zip(*taps, strict=True), strict=True):
        together = torch.cat([x.flatten(2) for x in maps], dim=2)[..., None]
        torch.testing.assert_close(layer, channel_statistics(together), atol=1e-4, rtol=1e-4)


def test_what_the_images_differ_by_counts(stylizer):
    """Between a dark and a light image: what their means are apart is in the deviations, unlike in the average."""
    dark, light = torch.rand(1, 3, 64, 64) * 0.2, 0.8 + torch.rand(1, 3, 64, 64) * 0.2
    pooled = stylizer.pooled_style([(dark, None), (light, None)]).layers()[0]
    one, other = (stylizer.style(x, layers=True).layers()[0] for x in (dark, light))
    between = ((one.mean - other.mean) / 2).square()
    torch.testing.assert_close(pooled.std.square(), (one.std.square() + other.std.square()) / 2 + between)
    average = mix([stylizer.style(x, layers=True) for x in (dark, light)], [1, 1]).layers()[0]
    assert pooled.std.mean() > 1.2 * average.std.mean()


def test_transparent_parts_do_not_count(stylizer, images):
    opacity = torch.zeros(40, 64)
    opacity[:, :32] = 1
    found = stylizer.pooled_style([(images[0], opacity), (images[1], None)]).statistics
    features = [stylizer.encode(image) for image in images[:2]]
    together = torch.cat([f.tensor.flatten(2) for f in features], dim=2)[..., None]
    weights = torch.cat([to_feature_grid(opacity[None], (40, 64)).flatten(), torch.ones(5 * 3)])[None, :, None]
    torch.testing.assert_close(found, channel_statistics(together, weights), atol=1e-4, rtol=1e-4)


def test_one_image_gives_its_own_style(stylizer, images):
    found, wanted = stylizer.pooled_style([(images[0], None)]), stylizer.style(images[0], layers=True)
    for layer, expected in zip(found.layers(), wanted.layers(), strict=True):
        torch.testing.assert_close(layer, expected, atol=1e-5, rtol=1e-5)


def test_the_light_pair_has_one_layer(images):
    light = Stylizer.load(device="cpu", pair="light")
    found = light.pooled_style((image, None) for image in images)
    assert found.shallow is None
    assert found.statistics.mean.shape == (1, light.encoder.feature_channels)


def test_no_images(stylizer):
    with pytest.raises(AdaINError, match="images: expected at least one, found none"):
        stylizer.pooled_style([])
