"""All of inference on a device without float64 and with adaptive pooling of dividing sizes only."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from adain_core.images.color import METHODS, match_color
from adain_core.images.transparency import fill, mean_color
from adain_core.inference.applications import plan_regions
from adain_core.inference.compositing import stylized_share
from adain_core.inference.pipeline import apply_style, decode, encode
from adain_core.inference.pooled_style import pooled_style
from adain_core.method import float64
from adain_core.method.normalization import Statistics
from adain_core.method.running_statistics import RunningStatistics
from adain_core.method.style import Style
from adain_core.models.bundled import load_pair
from adain_core.video.scene_cuts import CutDetector
from adain_core.video.smoothing import TemporalSmoother
from tests.adain_core.other_device import DEVICE, SimulatedDevice, move


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(float64, "_tried", cache(float64._tried.__wrapped__))


def test_statistics_of_parts():
    x, mask = torch.randn(2, 8, 6, 7), torch.rand(2, 6, 7)
    for weights in (None, mask):
        expected = RunningStatistics().add(x, weights).add(2 * x, weights).statistics()
        with SimulatedDevice():
            there = x.to(DEVICE)
            found = RunningStatistics().add(there, weights).add(2 * there, weights).statistics()
            assert {part.device for part in found} == {DEVICE}
            found = [part.cpu() for part in found]
        for part, value in zip(found, expected, strict=True):
            torch.testing.assert_close(part, value)


@pytest.mark.parametrize("method", METHODS)
def test_colors(method):
    image, reference = torch.rand(1, 3, 9, 11), torch.rand(1, 3, 7, 5)
    expected = match_color(image, reference, method)
    with SimulatedDevice():
        found = match_color(image.to(DEVICE), reference.to(DEVICE), method)
        assert found.device == DEVICE
        found = found.cpu()
    torch.testing.assert_close(found, expected)


def test_colours_where_nothing_is_seen():
    colour, opacity = torch.rand(1, 3, 9, 11), (torch.rand(1, 1, 9, 11) > 0.5).float()
    expected = fill(colour, opacity, mean_color(colour, opacity))
    with SimulatedDevice():
        there = colour.to(DEVICE), opacity.to(DEVICE)
        found = fill(*there, mean_color(*there)).cpu()
    torch.testing.assert_close(found, expected)


def test_one_style_of_several_images():
    images = [(torch.rand(1, 3, side, side), torch.rand(side, side)) for side in (24, 40)]
    encoder, _ = load_pair(None, None, "light")

    def pooled():
        return pooled_style(lambda image, mask: encode(encoder, image, mask), images).statistics

    expected = pooled()
    with SimulatedDevice():
        move(encoder)
        found = [part.cpu() for part in pooled()]
    for part, value in zip(found, expected, strict=True):
        torch.testing.assert_close(part, value, atol=1e-4, rtol=1e-3)


def test_masks_on_several_devices():
    style, other, third = (Style(Statistics(torch.rand(1, 8), torch.ones(1, 8)), "an encoder") for _ in range(3))
    here, there = torch.rand(2, 1, 9, 11) / 3
    styles = [style, other, third, other]
    expected = plan_regions(styles, [here, there, None, here], (9, 11)), stylized_share([here, there], (9, 11))
    with SimulatedDevice():
        regions = plan_regions(styles, [here, there.to(DEVICE), None, here], (9, 11))
        share = stylized_share([here, there.to(DEVICE)], (9, 11))
    torch.testing.assert_close(share, expected[1])
    for found, wanted in zip(regions, expected[0], strict=True):
        torch.testing.assert_close(found.mask, wanted.mask)


def test_scene_cuts_of_any_size():
    frames = torch.rand(3, 16, 9, 15)
    expected = [CutDetector().add(frame) for frame in frames.split(1)]
    with SimulatedDevice():
        assert [CutDetector().add(frame.to(DEVICE)) for frame in frames.split(1)] == expected


@torch.inference_mode()
def test_images_from_end_to_end():
    photo, painting, mask = torch.rand(1, 3, 44, 60), torch.rand(1, 3, 40, 40), torch.rand(1, 44, 60)
    encoder, decoder = load_pair(None, None)

    def stylized(smoother):
        content, style = encode(encoder, photo, tile_size=64), encode(encoder, painting, mask[:, :40, :40]).style
        assert smoother.apply(content, style, 0.9)[1] == [True]
        return decode(decoder, apply_style(content, style, 0.9, mask=mask), tile_size=64).cpu()

    expected = stylized(TemporalSmoother(0.5))
    with SimulatedDevice():
        move(encoder)
        move(decoder)
        found = stylized(TemporalSmoother(0.5))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
