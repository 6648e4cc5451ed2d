"""The sizes at which style and content are seen: strokes and detail."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from adain_core import AdaINError, Stylizer
from adain_core.images.files import load_picture
from adain_core.images.resize import scale_short_side
from adain_core.inference.applications import Application
from adain_core.inference.frames import applied
from adain_core.inference.tiled_image import ImageInMemory, stylize_stream
from adain_core.method.content_statistics import content_statistics
from adain_core.method.spatial_masks import to_feature_grid


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


@pytest.fixture(scope="module")
def photo(examples):
    return load_picture(examples / "content_coffee.jpg").pixels[..., 100:212, 150:278]


@pytest.fixture(scope="module")
def painting(examples):
    return load_picture(examples / "style_starry_night.jpg").pixels[..., 100:300, 100:340]


def same(a, b):
    torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_style_size_is_that_of_the_style_image(stylizer, photo, painting):
    small = scale_short_side(painting, 96)
    expected = stylizer.stylize(photo, small)
    same(stylizer.stylize(photo, painting, style_size=96), expected)
    same(stylizer.stylize(photo, stylizer.style(painting, size=96)), expected)
    measured = stylizer.encode(painting, statistics_size=96)
    torch.testing.assert_close(measured.style.statistics, stylizer.style(small).statistics)
    torch.testing.assert_close(measured.style.layers(), stylizer.style(small, layers=True).layers())
    assert torch.equal(measured.tensor, stylizer.encode(painting).tensor)


def test_with_the_contents_colours(stylizer, photo, painting):
    expected = stylizer.stylize(photo, scale_short_side(painting, 96), preserve_color=True)
    same(stylizer.stylize(photo, painting, preserve_color=True, style_size=96), expected)


def test_a_masked_style_is_masked_at_its_size(stylizer, painting):
    mask = torch.zeros(1, *painting.shape[2:])
    mask[:, : painting.shape[2] // 2] = 1
    measured = stylizer.encode(painting, mask, statistics_size=96)
    expected = stylizer.style(scale_short_side(painting, 96), mask)
    torch.testing.assert_close(measured.style.statistics, expected.statistics)


def test_detail_size_is_that_of_the_contents_statistics(stylizer, photo, painting):
    style = stylizer.style(painting)
    features = stylizer.encode(photo)
    known = content_statistics(features._replace(measured=stylizer.encode(scale_short_side(photo, 80))))
    mean, std = (x[..., None, None] for x in known)
    target = (features.tensor - mean) / std * style.statistics.std[..., None, None] + style.statistics.mean[
        ..., None, None
    ]
    same(stylizer.stylize(photo, style, detail_size=80), stylizer.decode(features._replace(tensor=target)))


@pytest.mark.parametrize("size", [112, 1000])
def test_a_detail_size_that_the_content_does_not_exceed_changes_nothing(stylizer, photo, painting, size):
    assert torch.equal(stylizer.stylize(photo, painting, detail_size=size), stylizer.stylize(photo, painting))


@pytest.mark.slow
def test_what_one_sees(stylizer, examples):
    """Smaller detail sizes give calmer pictures; of a larger style strokes are broader: less of them is fine."""
    photo = load_picture(examples / "content_coffee.jpg").pixels[..., 100:260, 150:342]
    painting = load_picture(examples / "style_starry_night.jpg").pixels

    def blurred(image, side):
        return F.avg_pool2d(image, side, 1, side // 2)

    def detail(image):
        return (image - blurred(image, 3)).abs().mean().item()

    def fineness(image):
        return detail(image) / (blurred(image, 3) - blurred(image, 9)).abs().mean().item()

    details = [detail(stylizer.stylize(photo, painting, style_size=256, detail_size=size)) for size in (0, 80, 40)]
    assert details[1] < 0.95 * details[0]
    assert details[2] < 0.97 * details[1]
    finer, broader = (fineness(stylizer.stylize(photo, painting, style_size=size)) for size in (256, 512))
    assert broader < 0.9 * finer


@pytest.mark.slow
def test_in_tiles_and_with_masks(stylizer, photo, painting):
    masks = [torch.rand(1, *photo.shape[2:]) for _ in range(2)]
    styles = [stylizer.style(painting), stylizer.style(painting.flip(1))]
    regions = [Application(style, mask) for style, mask in zip(styles, masks, strict=True)]
    expected = applied(stylizer.encode(photo, statistics_size=64), regions, 0.8)
    sink = ImageInMemory(torch.empty_like(photo))
    given = [Application(style, to_feature_grid(mask, sink.size)) for style, mask in zip(styles, masks, strict=True)]
    measured = stylizer.encode(scale_short_side(photo, 64))
    stylize_stream(stylizer, ImageInMemory(photo), sink, given, 0.8, tile_size=64, measured=measured)
    torch.testing.assert_close(sink.pixels.clamp(0, 1), stylizer.decode(expected), atol=2e-3, rtol=0)


def test_mistakes(stylizer, photo, painting):
    with pytest.raises(AdaINError, match="style size: expected style images, found an encoded style"):
        stylizer.stylize(photo, stylizer.style(painting), style_size=96)
    for name in ("style", "detail"):
        with pytest.raises(AdaINError, match=f"{name} size: expected 0 or a number of pixels, found -1"):
            stylizer.stylize(photo, painting, **{f"{name}_size": -1})
    with pytest.raises(AdaINError, match="statistics size: expected 0"):
        stylizer.encode(photo, statistics_size=-1)
