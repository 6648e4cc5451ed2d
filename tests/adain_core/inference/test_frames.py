"""Encode, AdaIN and decode a few images at a time: equal to one image at a time, whatever the controls."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError, Stylizer
from adain_core.images.color import match_color
from adain_core.inference.frames import stylize_frames
from adain_core.inference.pipeline import apply_regions
from adain_core.method.spatial_masks import feathered
from adain_core.method.style import mix


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


@pytest.fixture
def images():
    random = torch.Generator().manual_seed(1)
    return torch.rand(10, 3, 24, 32, generator=random), torch.rand(10, 3, 32, 24, generator=random)


@pytest.mark.parametrize("preserve_color", [False, True])
@pytest.mark.parametrize("batch", [1, 10])
def test_chunks_equal_single_images(stylizer, images, batch, preserve_color):
    content, styles = images
    masks = [torch.linspace(0, 1, 32).expand(10, 24, 32), torch.ones(1, 24, 32)]
    result = stylize_frames(
        stylizer, content, [styles[:batch], styles[-1:]], 0.7, masks=masks, preserve_color=preserve_color
    )
    for k in (0, 8, 9):
        features = stylizer.encode(content[k : k + 1])
        encoded = []
        for style in (styles[k % batch : k % batch + 1], styles[-1:]):
            encoded.append(stylizer.style(match_color(style, content[k : k + 1]) if preserve_color else style))
        own = [mask[k : k + 1] if len(mask) > 1 else mask for mask in masks]
        features = apply_regions(features, encoded, own, 0.7)
        torch.testing.assert_close(result[k : k + 1], stylizer.decode(features), atol=1e-4, rtol=0)


def test_regions_of_one_style_that_add_up_to_one_are_that_style(stylizer, images):
    content, styles = images[0][:1], images[1]
    mask = torch.rand(1, 24, 32)
    expected = stylizer.stylize(content, styles[:1])
    for feather in (0, 24):
        found = stylizer.stylize(content, [styles[:1]] * 2, masks=[mask, 1 - mask], feather=feather)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_feathered_regions_are_those_of_feathered_masks(stylizer, images):
    content, styles = images[0][:1], images[1]
    mask = torch.zeros(1, 24, 32)
    mask[..., 16:] = 1
    soft = feathered(mask, (24, 32), 24)
    given = content, [styles[:1], styles[1:2]]
    found = stylizer.stylize(*given, masks=[mask, 1 - mask], feather=24)
    expected = stylizer.stylize(*given, masks=[soft, 1 - soft])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert (found - stylizer.stylize(*given, masks=[mask, 1 - mask])).abs().max() > 0.01
    # Where a mask ends in nothing the photo's own pixels begin as softly.
    alone = stylizer.stylize(content, styles[:1], masks=mask, feather=24)
    assert torch.equal(alone[..., :1], content[..., :1])


def test_encoded_styles_of_a_batch_and_weights(stylizer, images):
    content, styles = images
    encoded = stylizer.style(styles)
    result = stylize_frames(stylizer, content, [encoded, styles[:1]], weights=[1.0, 3.0])
    mixed = mix([stylizer.style(styles[9:]), stylizer.style(styles[:1])], [1.0, 3.0])
    expected = stylizer.stylize(content[9:], mixed)
    torch.testing.assert_close(result[9:], expected, atol=1e-4, rtol=0)


def test_a_mask_without_a_batch_is_for_all(stylizer, images):
    content, styles = images
    mask = torch.linspace(0, 1, 24 * 32).view(24, 32)
    one, many = (stylize_frames(stylizer, content, [styles[:1]], masks=[m]) for m in (mask, mask.expand(10, -1, -1)))
    torch.testing.assert_close(one, many, atol=1e-4, rtol=0)


def test_progress_rises_to_its_end(stylizer, images):
    told = []
    content, styles = images
    stylize_frames(stylizer, content, [styles[:1], styles], progress=lambda done, total: told.append((done, total)))
    done = [d for d, _ in told]
    assert done == sorted(done)
    assert told[-1][0] == told[-1][1]
    assert {total for _, total in told} == {told[0][1]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"styles": [torch.rand(3, 3, 8, 8)]}, "style: expected a batch of 1 or of 2 like the content, found 3"),
        ({"masks": [torch.ones(3, 8, 8)]}, "mask: expected a batch of 1 or of 2 like the content, found 3"),
        ({"masks": [torch.ones(1, 8, 8)] * 3}, "masks: expected none, one, or one for each of 1 styles, found 3"),
        ({"feather": -1.0}, "feather: expected a number of pixels of at least 0, found -1.0"),
        ({"alpha": 1.5}, "alpha: expected a number from 0"),
    ],
)
def test_what_does_not_fit_is_said_before_the_work(options, message):
    arguments = {"styles": [torch.rand(1, 3, 8, 8)], **options}
    with pytest.raises(AdaINError, match=message):
        stylize_frames(None, torch.rand(2, 3, 8, 8), **arguments)  # no models: nothing is computed


def test_an_encoded_style_has_no_colours_to_change(stylizer, images):
    content, styles = images
    with pytest.raises(AdaINError, match="preserve_color: expected style images, found an encoded style"):
        stylizer.stylize(content, stylizer.style(styles[:1]), preserve_color=True)
