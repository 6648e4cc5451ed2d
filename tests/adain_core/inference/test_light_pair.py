"""The light pair under every control, by the same interfaces as the other one."""

from __future__ import annotations

import pytest
import torch

from adain_core import AdaINError, Stylizer, load_style, mix, save_style
from adain_core.images.files import load_picture
from adain_core.method.normalization import channel_statistics


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu", pair="light")


@pytest.fixture(scope="module")
def photo(examples):
    return load_picture(examples / "content_chelsea.jpg").pixels[..., 60:161, 100:231]


@pytest.fixture(scope="module")
def styles(stylizer, examples):
    names = ("style_starry_night.jpg", "style_safe_landing.jpg")
    return [stylizer.style(load_picture(examples / name).pixels[..., :200, :240]) for name in names]


def test_a_style_is_what_it_is_made_of(stylizer, photo, styles):
    features = stylizer.encode(photo)
    assert features.tensor.shape == (1, 192, 13, 17)
    found = channel_statistics(features.tensor)
    torch.testing.assert_close(torch.stack(features.style.statistics), torch.stack(found), atol=1e-4, rtol=1e-4)
    changed = (stylizer.stylize(photo, styles[0]) - photo).abs().mean()
    assert 0.02 < changed < 0.5  # a style, and not noise or one colour


def test_alpha(stylizer, photo, styles):
    assert torch.equal(stylizer.stylize(photo, styles[0], alpha=0), photo)
    half, full = (stylizer.stylize(photo, styles[0], alpha=alpha) for alpha in (0.3, 1.0))
    assert (half - photo).abs().mean() < (full - photo).abs().mean()


def test_masks(stylizer, photo, styles):
    mask = torch.zeros(1, 101, 131)
    mask[:, :, 48:] = 1
    one = stylizer.stylize(photo, styles[0], masks=mask)
    assert torch.equal(one[..., :48], photo[..., :48])
    assert not torch.equal(one[..., 48:], photo[..., 48:])
    two = stylizer.stylize(photo, styles, masks=[mask, 1 - mask])
    torch.testing.assert_close(two[..., 120:], one[..., 120:], atol=0.02, rtol=0)  # farther than the halo


def test_channel_masks(stylizer, photo, styles):
    plain = stylizer.decode(stylizer.encode(photo))
    torch.testing.assert_close(stylizer.stylize(photo, styles[0], channels=torch.zeros(192)), plain)
    full = stylizer.stylize(photo, styles[0])
    torch.testing.assert_close(stylizer.stylize(photo, styles[0], channels=torch.ones(192)), full)
    with pytest.raises(AdaINError, match=r"channels: expected one weight for each of 192 channels, found \[512\]"):
        stylizer.stylize(photo, styles[0], channels=torch.ones(512))


def test_mixing(stylizer, photo, styles):
    mixed = stylizer.stylize(photo, styles, weights=[1, 3])
    torch.testing.assert_close(mixed, stylizer.stylize(photo, mix(styles, [0.25, 0.75])))
    torch.testing.assert_close(stylizer.stylize(photo, styles, weights=[1, 0]), stylizer.stylize(photo, styles[0]))


def test_styles_as_files(stylizer, photo, styles, examples, tmp_path):
    save_style(tmp_path / "style.safetensors", styles[0])
    read = load_style(tmp_path / "style.safetensors")
    assert torch.equal(stylizer.stylize(photo, read), stylizer.stylize(photo, styles[0]))
    of_vgg = load_style(examples / "styles" / "starry_night.safetensors")
    with pytest.raises(AdaINError, match="expected everything to come from one encoder"):
        stylizer.stylize(photo, of_vgg)
    with pytest.raises(AdaINError, match="expected everything to come from one encoder"):
        Stylizer.load(device="cpu").stylize(photo, read)


def test_a_batch_is_its_images_one_by_one(stylizer, photo, styles):
    batch = torch.cat([photo, photo.flip(3)])
    one_by_one = torch.cat([stylizer.stylize(each, styles[0]) for each in batch.split(1)])
    torch.testing.assert_close(stylizer.stylize(batch, styles[0]), one_by_one, atol=1e-5, rtol=0)


def test_preserve_color_and_precision(stylizer, photo, examples):
    painting = load_picture(examples / "style_starry_night.jpg").pixels[..., :200, :240]
    kept = stylizer.stylize(photo, painting, preserve_color=True)
    means = [x.mean((0, 2, 3)) for x in (photo, kept, stylizer.stylize(photo, painting))]
    assert (means[1] - means[0]).norm() < (means[2] - means[0]).norm()
    half = Stylizer.load(device="cpu", precision="bfloat16", pair="light")
    assert (half.stylize(photo, painting) - stylizer.stylize(photo, painting)).abs().mean() < 0.02
