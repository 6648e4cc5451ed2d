"""A fitted style: closer to its images than their average, through the decoder, on content it has not seen."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from adain_core import AdaINError, Stylizer, mix
from adain_core.images.files import load_picture
from adain_core.inference.pipeline import apply_style
from adain_core.method.losses import content_loss, style_loss
from adain_core.method.normalization import Statistics, channel_statistics
from adain_core.training.fit_style import CONTENT_ROOM, fit_bank, fit_style


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


def small(examples, name, side=64):
    pixels = load_picture(examples / name).pixels
    return F.interpolate(pixels[..., :400, :400], (side, side), mode="bilinear", antialias=True).clamp(0, 1)


@pytest.mark.slow
def test_fitting_brings_unseen_content_closer(stylizer, examples):
    paintings = [small(examples, f"style_{name}.jpg") for name in ("starry_night", "paint_brushes")]
    taps = [[channel_statistics(t) for t in stylizer.encoder.taps(p)] for p in paintings]
    targets = [Statistics((a.mean + b.mean) / 2, (a.std + b.std) / 2) for a, b in zip(*taps, strict=True)]
    told = []
    fitted = fit_style(
        stylizer.encoder, stylizer.decoder, paintings, 50, progress=lambda done, total: told.append((done, total))
    )
    unseen = small(examples, "content_chelsea.jpg")

    def distance(style):
        with torch.no_grad():
            return style_loss(stylizer.encoder.taps(stylizer.stylize(unseen, style)), targets).item()

    average = mix([stylizer.style(p) for p in paintings], [1.0, 1.0])
    assert distance(fitted) < 0.95 * distance(average)
    assert told == [(k, 54) for k in range(1, 55)], "two images, two contents, 50 steps"
    assert fitted.encoder_id == stylizer.encoder.fingerprint
    assert bool((fitted.statistics.std > 0).all())


@pytest.mark.slow
@pytest.mark.usefixtures("single_thread")
def test_styles_of_a_bank_are_as_if_each_were_alone(stylizer, examples, monkeypatch):
    monkeypatch.setattr("adain_core.training.fit_style._TOGETHER", 2)
    paintings = [small(examples, f"style_{name}.jpg", 40) for name in ("starry_night", "paint_brushes", "tissue")]
    photos = [small(examples, f"content_{name}.jpg", 40) for name in ("chelsea", "coffee")]
    told = []
    given = stylizer.encoder, stylizer.decoder
    bank = fit_bank(*given, paintings, 3, photos, lambda done, total: told.append((done, total)))
    assert told == [(k, 11) for k in range(1, 12)], "three images, two contents, three steps of two parts"
    assert bank.batch == 3
    for number, painting in enumerate(paintings):
        alone = fit_style(*given, [painting], 3, photos)
        for found, wanted in zip(bank.layers(), alone.layers(), strict=True):
            torch.testing.assert_close(found.mean[number], wanted.mean[0], atol=2e-3, rtol=2e-3)
            torch.testing.assert_close(found.std[number], wanted.std[0], atol=2e-3, rtol=2e-3)


@pytest.mark.slow
def test_shapes_stay_about_as_clear(stylizer, examples):
    """The content loss has little more than the room it is given, though the style loss alone would take more."""
    painting, photo = small(examples, "style_starry_night.jpg", 96), small(examples, "content_coffee.jpg", 96)
    features, plain = stylizer.encode(photo), stylizer.style(painting)
    fitted = fit_style(stylizer.encoder, stylizer.decoder, [painting], 24, [photo])

    def loss(style):
        with torch.no_grad():
            target = apply_style(features, style)
            return content_loss(stylizer.encoder(stylizer.decode(target)), target.tensor).item()

    assert loss(fitted) < (CONTENT_ROOM + 0.05) * loss(plain)


@pytest.mark.slow
def test_the_light_pair_is_fitted_through_vgg(stylizer, examples):
    light = Stylizer.load(device="cpu", pair="light")
    painting = small(examples, "style_starry_night.jpg")
    targets = [channel_statistics(tap) for tap in stylizer.encoder.taps(painting)]
    photo = small(examples, "content_chelsea.jpg")
    fitted = fit_style(light.encoder, light.decoder, [painting], 24, [photo])
    assert fitted.encoder_id == light.encoder.fingerprint

    def distance(style):
        with torch.no_grad():
            return style_loss(stylizer.encoder.taps(light.stylize(photo, style)), targets).item()

    assert distance(fitted) < distance(light.style(painting))


@pytest.mark.parametrize("pair", ["vgg19", "light"])
def test_no_steps_give_the_average(pair):
    stylizer = Stylizer.load(device="cpu", pair=pair)
    images = [torch.rand(1, 3, 40, 48), torch.rand(1, 3, 24, 24)]
    told = []
    fitted = fit_style(
        stylizer.encoder, stylizer.decoder, images, 0, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 2), (2, 2)]
    average = mix([stylizer.style(image) for image in images], [1.0, 1.0])
    torch.testing.assert_close(fitted.statistics.mean, average.statistics.mean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(fitted.statistics.std, average.statistics.std, atol=1e-5, rtol=1e-5)


def test_large_images_are_scaled_before_they_are_moved(stylizer, monkeypatch):
    sizes, to = [], torch.Tensor.to

    def watched(x, *args, **kwargs):
        if x.ndim == 4 and x.shape[1] == 3 and x.shape[2] > 3:
            sizes.append(tuple(x.shape[2:]))
        return to(x, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", watched)
    fit_style(stylizer.encoder, stylizer.decoder, [torch.rand(1, 3, 40, 2048)], 1)
    assert sizes == [(20, 1024), (40, 144)], "the style image, and the crop that is stylized"


def test_inside_inference_mode_and_models_untouched(stylizer):
    """Where ComfyUI runs its nodes: models and images made there carry no gradients."""
    before = {k: v.clone() for k, v in stylizer.decoder.state_dict().items()}
    with torch.inference_mode():
        local = Stylizer.load(device="cpu")
        image = torch.rand(1, 3, 32, 32)
        fitted = fit_style(local.encoder, local.decoder, [image], 2)
        assert not torch.equal(fitted.statistics.mean, local.style(image).statistics.mean)
        for key, value in local.decoder.state_dict().items():
            assert torch.equal(value, before[key])


def test_mistakes(stylizer):
    with pytest.raises(AdaINError, match="at least one, found none"):
        fit_style(stylizer.encoder, stylizer.decoder, [], 1)
    with pytest.raises(AdaINError, match="steps: expected"):
        fit_style(stylizer.encoder, stylizer.decoder, [torch.rand(1, 3, 8, 8)], -1)
