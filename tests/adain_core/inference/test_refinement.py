"""Refining against plain autograd on the whole image."""

from __future__ import annotations

import copy
import os

import pytest
import torch
from torch import nn

from adain_core import Stylizer
from adain_core.errors import AdaINError
from adain_core.inference.applications import Application
from adain_core.inference.descents import FEATURE_STEP, WARMUP
from adain_core.inference.fallback import smaller_when_out_of_memory
from adain_core.inference.frames import stylize_frames
from adain_core.inference.pipeline import apply_style, encode
from adain_core.inference.refinement import (
    CONTENT_WEIGHTS,
    LAYER_WEIGHTS,
    STYLE_WEIGHT,
    RefinementGoal,
    _Objective,
    check_refinement,
    refine,
    refinement_goals,
)
from adain_core.inference.tap_tiles import shallow_statistics
from adain_core.method.losses import content_loss
from adain_core.method.normalization import Statistics, channel_statistics
from adain_core.method.spatial_masks import to_size
from adain_core.method.style import ShallowStatistics, Style, mix
from adain_core.models.light import LightEncoder
from adain_core.video.smoothing import TemporalSmoother

pytestmark = [pytest.mark.usefixtures("single_thread"), pytest.mark.slow]
GIB = 1 << 30
_TILE = 97 * 120  # pixels: more than any tile of 64 has here with its halo, fewer than the image


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu", pair="vgg19")


@pytest.fixture(scope="module")
def scene(stylizer):
    """A photo, a painting of another size, what AdaIN makes of their features, and the decoder's picture."""
    torch.manual_seed(3)
    smooth = nn.AvgPool2d(5, 1, 2)
    photo, painting = smooth(torch.rand(1, 3, 101, 137)), torch.rand(1, 3, 70, 60) ** 2
    target = apply_style(stylizer.encode(photo), stylizer.style(painting))
    return photo, painting, target, stylizer.decode(target)


def losses(encoder, picture, target, goals, style_weight=STYLE_WEIGHT):
    """Eq. 11-13 as they are written, and the content's terms at the layers before; differentiable."""
    taps = encoder.taps(picture)
    photo = [] if target.image is None else encoder.taps(target.image.clone())[:-1]
    total = content_loss(taps[-1], target.tensor.clone())
    for layers, mask, content in goals:
        for tap, own, known, wanted, weight in zip(taps, photo, content or [], layers, CONTENT_WEIGHTS, strict=False):
            known, wanted = (Statistics(*(x.clone()[..., None, None] for x in part)) for part in (known, wanted))
            stylized = (own - known.mean) / known.std * wanted.std + wanted.mean
            errors = (tap - stylized).square() / (wanted.std.square() + 0.05)
            region = 1.0 if mask is None else to_size(mask, tap.shape[2:])[:, None]
            total = total + weight * (errors * region).mean()
        for tap, wanted, weight in zip(taps, layers, LAYER_WEIGHTS, strict=True):
            region = None if mask is None else to_size(mask, tap.shape[2:])
            share = weight if region is None else weight * region.mean()
            found = channel_statistics(tap, region)
            total = total + style_weight * share * sum(
                (f - w.clone()).square().mean() for f, w in zip(found, wanted, strict=True)
            )
    return total


def test_shallow_statistics_in_tiles_are_those_of_the_taps(stylizer, scene):
    photo = scene[0]
    mask = torch.rand(1, 50, 70)
    for region in (None, mask):
        found = shallow_statistics(stylizer.encoder, photo, region, tile_size=64)
        taps = stylizer.encoder.taps(photo)[:-1]
        expected = [channel_statistics(t, None if region is None else to_size(region, t.shape[2:])) for t in taps]
        for ours, reference in zip(found, expected, strict=True):
            torch.testing.assert_close(ours.mean, reference.mean, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(ours.std, reference.std, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_that_of_the_losses_whatever_the_tiles(stylizer, scene, masked):
    _, painting, target, picture = scene
    left = torch.zeros(1, 50, 70)  # of another size than the image, with a soft edge
    left[:, :, :30] = 1
    styles = [stylizer.style(painting, layers=True), stylizer.style(1 - painting, layers=True)]
    regions = [left, 1 - left] if masked else [None]
    applications = [Application(style, mask) for style, mask in zip(styles, regions, strict=False)]
    goals = refinement_goals(target, applications)
    encoder = copy.deepcopy(stylizer.encoder).requires_grad_(False)
    x = picture.clone().requires_grad_(True)
    (expected,) = torch.autograd.grad(losses(encoder, x, target, goals), x)
    for tile_size in (0, 64, 72):
        objective = _Objective(encoder, target, goals, 0, STYLE_WEIGHT, tile_size, 8 * GIB, smaller_when_out_of_memory)
        found = objective.gradient(picture.clone(), None)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("inference", [False, True])
def test_tiles_change_nothing_and_losses_fall(stylizer, scene, inference):
    _, painting, target, picture = scene
    goals = refinement_goals(target, [Application(stylizer.style(painting, layers=True))])
    with torch.inference_mode(inference):  # as nodes run
        whole = refine(stylizer.encoder, picture.clone(), target, goals, 3)
        tiles = refine(stylizer.encoder, picture.clone(), target, goals, 3, tile_size=64)
        smallest = refine(stylizer.encoder, picture.clone(), target, goals, 3, memory=0)
    torch.testing.assert_close(tiles, whole, rtol=0, atol=1e-4)
    torch.testing.assert_close(smallest, whole, rtol=0, atol=1e-4)
    assert whole.min() >= 0
    assert whole.max() <= 1
    with torch.no_grad():
        before, after = (losses(stylizer.encoder, x, target, goals) for x in (picture, whole))
    assert after < 0.7 * before


@pytest.mark.parametrize("inference", [False, True])
def test_tiles_change_nothing_through_the_decoder(stylizer, scene, inference):
    _, painting, target, picture = scene
    goals = refinement_goals(target, [Application(stylizer.style(painting, layers=True))])
    for steps, most in ((1, 1e-4), (3, 0.05)):
        given = target, goals, steps, stylizer.decoder
        with torch.inference_mode(inference):
            whole = refine(stylizer.encoder, picture.clone(), *given)
            tiles = refine(stylizer.encoder, picture.clone(), *given, tile_size=64)
            smallest = refine(stylizer.encoder, picture.clone(), *given, memory=0)
        # Rounding errors grow where a ReLU changes sides: noise of 1e-6 in the picture changes more.
        for found in (tiles, smallest):
            torch.testing.assert_close(found, whole, rtol=0, atol=most)
            assert (found - whole).abs().mean() < 1e-3
    with torch.no_grad():
        before, after = (losses(stylizer.encoder, x, target, goals) for x in (picture, whole))
    assert after < 0.7 * before


def test_through_the_decoder_it_is_descent_on_what_that_is_given(stylizer, scene):
    _, painting, target, picture = scene
    goals = refinement_goals(target, [Application(stylizer.style(painting, layers=True))])
    encoder, decoder = (copy.deepcopy(m).requires_grad_(False) for m in (stylizer.encoder, stylizer.decoder))
    given, unit = target.tensor.clone(), channel_statistics(target.tensor).std.clone()[..., None, None]
    offset = torch.zeros_like(given, requires_grad=True)
    mean, square = 0.0, 0.0
    other = picture.clone().lerp(torch.rand(picture.shape), 0.1)  # begun at another picture than the decoder's
    rest = other - decoder(given, target.size).clamp(0, 1)
    for step in range(1, 3):
        x = decoder(given + offset * unit, target.size) + rest
        outside = (x - x.clamp(0, 1)).square().mean()
        (gradient,) = torch.autograd.grad(losses(encoder, x, target, goals) + 100 * outside, offset)
        mean, square = 0.8 * mean + 0.2 * gradient, 0.99 * square + 0.01 * gradient.square().mean()
        with torch.no_grad():
            offset -= FEATURE_STEP * step / WARMUP * (mean / (1 - 0.8**step)) / (square / (1 - 0.99**step)).sqrt()
    expected = (decoder(given + offset * unit, target.size) + rest).clamp(0, 1)
    found = refine(stylizer.encoder, other, target, goals, 2, stylizer.decoder)
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-2)
    assert (found - expected).abs().mean() < 1e-4


def test_each_sample_is_refined_by_itself(stylizer, scene):
    _, painting, target, picture = scene
    styles = torch.cat([painting, 1 - painting])
    layers = stylizer.style(styles, layers=True).layers()
    images = torch.cat([target.image, target.image.flip(3)])
    both = target._replace(tensor=torch.cat([target.tensor, target.tensor + 0.1]), image=images)
    together = refine(stylizer.encoder, picture.expand(2, -1, -1, -1), both, [RefinementGoal(layers)], 2)
    second = [Statistics(mean[1:], std[1:]) for mean, std in layers]
    alone = refine(
        stylizer.encoder,
        picture,
        target._replace(tensor=both.tensor[1:], image=images[1:]),
        [RefinementGoal(second)],
        2,
    )
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 0.01


def test_memory_decides_how_much_the_encoder_is_given(stylizer, scene):
    _, painting, target, picture = scene
    seen = []

    class Watched(type(stylizer.encoder)):
        def layers(self, x):
            seen.append(x.shape[2] * x.shape[3])
            return super().layers(x)

    watched = copy.deepcopy(stylizer.encoder)
    watched.__class__ = Watched
    goals = [RefinementGoal(stylizer.style(painting, layers=True).layers())]
    refine(watched, picture, target, goals, 1, memory=0)
    assert max(seen) < _TILE
    seen.clear()
    refine(watched, picture, target, goals, 1, memory=8 * GIB)
    assert set(seen) == {101 * 137}


def test_smaller_tiles_after_running_out_of_memory(stylizer, scene):
    _, painting, target, picture = scene
    goals = [RefinementGoal(stylizer.style(painting, layers=True).layers())]

    class Small(type(stylizer.encoder)):
        def layers(self, x):
            if x.shape[2] * x.shape[3] >= _TILE:
                raise MemoryError
            return super().layers(x)

    small = copy.deepcopy(stylizer.encoder)
    small.__class__ = Small
    expected = refine(stylizer.encoder, picture, target, goals, 2)
    found = refine(small, picture.clone(), target, goals, 2, memory=8 * GIB)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_memory_that_runs_out_on_the_way_back_through_the_decoder(stylizer, scene, monkeypatch):
    photo, painting, _, _ = scene
    expected = stylizer.stylize(photo, painting, refine=2)
    real, calls = torch.autograd.grad, []

    def grad(*given, **options):
        calls.append(given)
        found = real(*given, **options)
        if len(calls) == 2:  # the first is through the encoder
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found

    monkeypatch.setattr(torch.autograd, "grad", grad)
    torch.testing.assert_close(stylizer.stylize(photo, painting, refine=2), expected, rtol=0, atol=0.02)


def test_progress_stops_it_and_what_was_shown_stays(stylizer, scene):
    _, painting, target, picture = scene
    goals = [RefinementGoal(stylizer.style(painting, layers=True).layers())]
    shown, told = [], []

    def stop(done, total):
        told.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine(stylizer.encoder, picture, target, goals, 3, progress=stop, show=lambda x: shown.append(x))
    assert told == [(1, 3), (2, 3)]
    expected = refine(stylizer.encoder, picture, target, goals, 1)
    torch.testing.assert_close(shown[-1], expected, rtol=0, atol=1e-5)


def test_goals_are_mixed_with_the_content_as_adain_mixes(stylizer, scene):
    photo, painting, _, _ = scene
    content, style = stylizer.encode(photo), stylizer.style(painting, layers=True)
    own = [channel_statistics(tap) for tap in stylizer.encoder.taps(photo)]
    channels = torch.linspace(0, 1, 512)
    for alpha, given, weight in ((1.0, None, 1.0), (0.5, None, 0.5), (0.5, channels, 0.25)):
        target = apply_style(content, style, alpha, given)
        (goal,) = refinement_goals(target, [Application(style)], alpha, given)
        for found, c, s in zip(goal.layers[:-1], own, style.layers(), strict=False):
            for ours, of_content, of_style in zip(found, c, s, strict=True):
                expected = of_content + weight * (of_style - of_content)
                torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
        deepest = style.statistics if weight == 1 else channel_statistics(target.tensor)
        torch.testing.assert_close(goal.layers[-1].std, deepest.std, rtol=1e-4, atol=1e-4)


def test_inside_a_mask_goals_are_of_what_is_inside(stylizer, scene):
    photo, painting, _, _ = scene
    mask = torch.zeros(1, 101, 137)
    mask[:, :, :64] = 1
    content, style = stylizer.encode(photo), stylizer.style(painting, layers=True)
    target = apply_style(content, style, 0.5, mask=mask)
    (goal,) = refinement_goals(target, [Application(style, mask)], 0.5)
    first = channel_statistics(stylizer.encoder.taps(photo)[0][..., :64])
    expected = torch.lerp(first.mean, style.layers()[0].mean, 0.5)
    torch.testing.assert_close(goal.layers[0].mean, expected, rtol=1e-4, atol=1e-4)


def test_stylize_refined_keeps_the_promises(stylizer, scene):
    photo, painting, _, _ = scene
    mask = torch.zeros(1, 101, 137)
    mask[:, :, :64] = 1
    plain = stylizer.stylize(photo, painting, masks=mask)
    refined = stylizer.stylize(photo, painting, masks=mask, refine=2)
    torch.testing.assert_close(refined[..., 64:], photo[..., 64:], rtol=0, atol=0)
    assert (refined - plain)[..., :64].abs().mean() > 0.01
    torch.testing.assert_close(stylizer.stylize(photo, painting, alpha=0, refine=2), photo, rtol=0, atol=0)


def test_an_encoded_mixed_or_saved_style_refines_as_its_image(stylizer, scene, tmp_path):
    from adain_core import load_style, save_style

    photo, painting, _, _ = scene
    expected = stylizer.stylize(photo, [painting, 1 - painting], weights=[1, 3], refine=1)
    encoded = [stylizer.style(image, layers=True) for image in (painting, 1 - painting)]
    save_style(tmp_path / "mixed.safetensors", mix(encoded, [1, 3]))
    assert os.path.getsize(tmp_path / "mixed.safetensors") < 10_000
    saved = load_style(tmp_path / "mixed.safetensors")
    for style in (mix(encoded, [1, 3]), saved):
        torch.testing.assert_close(stylizer.stylize(photo, style, refine=1), expected, rtol=0, atol=1e-4)


def test_a_style_of_version_1_0_says_what_it_lacks(stylizer, scene):
    photo, painting, _, _ = scene
    old = stylizer.style(painting)
    assert old.shallow is None
    with pytest.raises(AdaINError, match=r"1\.0\.0.*the style image itself"):
        stylizer.stylize(photo, old, refine=1)


def test_what_does_not_fit_is_one_sentence(stylizer, scene):
    _, painting, target, picture = scene
    goals = [RefinementGoal(stylizer.style(painting, layers=True).layers())]
    for message, call in {
        "at least 0, found -1": lambda: check_refinement(-1, stylizer.encoder),
        "VGG encoder": lambda: check_refinement(1, LightEncoder()),
        r"\[101, 137\] pixels .* found \[72, 137\]": lambda: refine(
            stylizer.encoder, picture[:, :, :72], target, goals, 1
        ),
        "one encoder": lambda: refine(stylizer.encoder, picture, target._replace(encoder_id="?"), goals, 1),
    }.items():
        with pytest.raises(AdaINError, match=message):
            call()
    check_refinement(0, LightEncoder())


def test_statistics_wait_until_they_are_asked_for(stylizer):
    calls = []

    class Counting(type(stylizer.encoder)):
        def layers(self, x):
            calls.append(x.shape)
            return super().layers(x)

    counting = copy.deepcopy(stylizer.encoder)
    counting.__class__ = Counting
    features = encode(counting, torch.rand(1, 3, 32, 40))
    calls.clear()
    style = mix(
        [features.style, Style(features.statistics, features.encoder_id, shallow=ShallowStatistics([]))], [1, 0]
    )
    assert not calls
    features.style.layers()
    assert len(calls) == 1
    assert style.encoder_id == features.encoder_id


def test_frames_begin_at_the_refined_frame_before_carried_along(stylizer, scene):
    photo, painting, _, _ = scene
    frames = torch.cat([photo[..., 2 * k : 2 * k + 96] for k in range(2)])
    style = stylizer.style(painting, layers=True)
    told = []
    found = stylize_frames(
        stylizer,
        frames,
        [style],
        smoother=TemporalSmoother(0.5, flow=True),
        refine=1,
        progress=lambda *x: told.append(x),
    )
    assert told[-1] == (100, 100)
    assert told == sorted(told)
    smoother, expected = TemporalSmoother(0.5, flow=True), []
    for frame in frames.split(1):
        target, cuts = smoother.apply(stylizer.encode(frame), style)
        start = smoother.carried(stylizer.decode(target), frame, cuts[0])
        goals = refinement_goals(target, [Application(style)])
        refined = stylizer.refine(start, target, goals, 1, through_decoder=False)
        expected.append(smoother.blend(refined, frame, cuts))
    torch.testing.assert_close(found, torch.cat(expected), rtol=0, atol=1e-4)


def test_as_many_masks_and_styles_as_pictures(stylizer, scene):
    _, painting, target, picture = scene
    style = stylizer.style(painting, layers=True).layers()
    twice = [Statistics(layer.mean.expand(2, -1), layer.std.expand(2, -1)) for layer in style]
    for goal, name in ((RefinementGoal(style, torch.ones(2, 50, 70)), "mask"), (RefinementGoal(twice), "style")):
        with pytest.raises(AdaINError, match=f"{name}: expected a batch of 1 like the image, found 2"):
            stylizer.refine(picture, target, [goal], 1)
