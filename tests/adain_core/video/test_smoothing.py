"""Temporal smoothing: closed forms, an explicit loop, cuts, going on from a saved state, blending along the flow."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from adain_core import AdaINError
from adain_core.inference.pipeline import apply_style
from adain_core.method.features import Features
from adain_core.method.normalization import Statistics, channel_statistics
from adain_core.method.style import Style
from adain_core.video.smoothing import TemporalSmoother
from tests.adain_core.video.scenes import photo, scene

SIZE = (40, 48)
STYLE = Style(Statistics(torch.full((1, 16), 0.3), torch.full((1, 16), 2.0)), "e")


def features(tensor: torch.Tensor) -> Features:
    return Features(tensor, (8 * tensor.shape[2], 8 * tensor.shape[3]), "e")


def outputs_of(smoother: TemporalSmoother, tensor: torch.Tensor, **options) -> torch.Tensor:
    return torch.cat([smoother.apply(features(x), STYLE, **options)[0].tensor for x in tensor.split(1)])


def test_smoothing_against_an_explicit_loop():
    tensor, strength = scene(6).double(), 0.7
    mean, std = channel_statistics(tensor[:1])
    for k, x in enumerate(tensor.split(1)):
        now = channel_statistics(x)
        if k:
            mean = strength * mean + (1 - strength) * now.mean
            std = strength * std + (1 - strength) * now.std
        expected = (x - mean[..., None, None]) / std[..., None, None] * 2.0 + 0.3
        if k == 0:
            smoother = TemporalSmoother(strength)
        result, _ = smoother.apply(features(x), STYLE)
        torch.testing.assert_close(result.tensor, expected, atol=1e-5, rtol=0)


def test_constant_statistics_stay_to_the_bit():
    """Permuted positions have equal statistics: the smoothed result is the plain one.

    Of small integers at 128 positions mean and deviation are exact, whatever the order. Positions are permuted within
    the cells of the cut detector's thumbnail, so that it finds no cut.
    """
    cells = torch.randint(-8, 9, (1, 16, 4, 2, 4, 4)).float()
    moved = torch.cat([cells, cells.flip(3), cells.flip(5), cells.flip(3, 5)]).reshape(4, 16, 8, 16)
    smoother = TemporalSmoother(0.9)
    found = [smoother.apply(features(x), STYLE) for x in moved.split(1)]
    assert [cut for _, (cut,) in found] == [True, False, False, False]
    assert not torch.equal(moved[0], moved[3])
    assert torch.equal(torch.cat([x.tensor for x, _ in found]), apply_style(features(moved), STYLE).tensor)


@pytest.mark.parametrize("masked", [False, True])
def test_strength_0_is_each_frame_by_itself(masked):
    tensor = scene(5)
    mask = (torch.rand(5, *SIZE) > 0.5).float() if masked else None
    plain = apply_style(features(tensor), STYLE, 0.8, mask=mask).tensor
    result, _ = TemporalSmoother(0.0).apply(features(tensor), STYLE, 0.8, mask=mask)
    assert torch.equal(result.tensor, plain)


def test_strength_1_keeps_the_first_frames_statistics():
    tensor = scene(4)
    mean, std = (s[..., None, None] for s in channel_statistics(tensor[:1]))
    torch.testing.assert_close(outputs_of(TemporalSmoother(1.0), tensor), (tensor - mean) / std * 2.0 + 0.3)


def test_several_frames_equal_one_by_one():
    tensor = torch.cat([scene(5), scene(4, seed=1)])
    one_by_one = outputs_of(TemporalSmoother(0.6), tensor)
    smoother = TemporalSmoother(0.6)
    chunks = [smoother.apply(features(part), STYLE) for part in tensor.split(4)]
    torch.testing.assert_close(torch.cat([part.tensor for part, _ in chunks]), one_by_one, atol=1e-6, rtol=0)
    assert [cut for _, cuts in chunks for cut in cuts] == [k in (0, 5) for k in range(9)]


def test_a_change_in_one_part_shows_less_in_the_rest():
    frames = torch.randn(1, 16, 16, 16).repeat(6, 1, 1, 1)
    frames[1::2, :, :4, :4] += 1  # a lamp that flickers
    plain, smoothed = (
        outputs_of(TemporalSmoother(strength), frames)[:, :, 4:].diff(dim=0).abs().mean() for strength in (0.0, 0.5)
    )
    assert 0 < smoothed < 0.5 * plain


def test_a_cut_is_a_fresh_start():
    before, after = scene(6), scene(6, seed=1)
    smoother = TemporalSmoother(0.9)
    outputs_of(smoother, before)
    assert torch.equal(outputs_of(smoother, after), outputs_of(TemporalSmoother(0.9), after))


def test_an_empty_mask_leaves_the_content_and_the_past_alone():
    tensor, mask = scene(3), torch.ones(3, *SIZE)
    mask[1] = 0
    result, _ = TemporalSmoother(0.5).apply(features(tensor), STYLE, mask=mask)
    assert torch.equal(result.tensor[1], tensor[1])
    expected = outputs_of(TemporalSmoother(0.5), tensor[[0, 2]], mask=torch.ones(1, *SIZE))
    torch.testing.assert_close(result.tensor[[0, 2]], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strengths_outside_the_range_are_refused(strength):
    with pytest.raises(AdaINError, match="smoothing: expected a number from 0"):
        TemporalSmoother(strength)


class TestFlow:
    def test_outputs_move_with_the_frames(self, examples):
        """Outputs that are noise on a moving photo become the same noise, moved."""
        frames = torch.cat([photo(examples, left=2 * k) for k in range(4)])
        noise = torch.rand(4, *frames.shape[1:])
        result = blended(TemporalSmoother(1.0, flow=True), noise, frames)
        inner = (slice(None), slice(16, -16), slice(16, -16))
        moved = torch.roll(noise[0], -6, 2)
        correlation = torch.corrcoef(torch.stack([result[3][inner].flatten(), moved[inner].flatten()]))[0, 1]
        assert correlation > 0.9
        assert torch.equal(result[0], noise[0])

    def test_a_still_scene_is_an_exponential_mean(self, examples):
        levels = torch.tensor([0.2, 0.9, 0.4, 0.7])
        frames, outputs = (
            photo(examples).expand(4, -1, -1, -1),
            levels[:, None, None, None].expand(4, 3, 96, 128),
        )
        expected = levels[0]
        for level in levels[1:]:
            expected = 0.6 * expected + 0.4 * level
        result = blended(TemporalSmoother(0.6, flow=True), outputs, frames)
        torch.testing.assert_close(
            result[3][:, 8:-8, 8:-8], expected.expand(3, 80, 112), atol=0.01, rtol=0, check_stride=False
        )

    def test_less_flicker_at_the_same_contrast(self, examples):
        frames, outputs = photo(examples).expand(6, -1, -1, -1), torch.rand(6, 3, 96, 128)
        result = blended(TemporalSmoother(0.5, flow=True), outputs, frames)[..., 8:-8, 8:-8]
        flicker = (result[5] - result[4]).square().mean()
        assert flicker < 0.7 * (outputs[5] - outputs[4]).square().mean()
        assert float(result[5].std() / outputs[5].std()) == pytest.approx(1, rel=0.05)

    def test_equal_outputs_stay_as_they_are(self, examples):
        frames, outputs = (
            photo(examples).expand(3, -1, -1, -1),
            photo(examples, top=9).expand(3, -1, -1, -1),
        )
        result = blended(TemporalSmoother(0.9, flow=True), outputs, frames)
        torch.testing.assert_close(result[2][:, 8:-8, 8:-8], outputs[2][:, 8:-8, 8:-8], atol=0.02, rtol=0)

    def test_what_no_longer_looks_alike_is_not_blended(self, examples):
        frames = torch.cat([photo(examples), 1 - photo(examples)])
        outputs = torch.rand(2, 3, 96, 128)
        result = blended(TemporalSmoother(0.9, flow=True), outputs, frames)
        assert (result[1] - outputs[1]).abs().mean() < 0.02

    def test_a_cut_ends_the_blending(self, examples):
        frames, outputs = photo(examples).expand(3, -1, -1, -1), torch.rand(3, 3, 96, 128)
        smoother = TemporalSmoother(0.9, flow=True)
        result = smoother.blend(outputs, frames, [True, False, True])
        assert torch.equal(result[2], outputs[2])
        assert not torch.equal(result[1], outputs[1])

    def test_large_frames_are_blended_at_their_own_size(self, examples):
        big = F.interpolate(photo(examples), (360, 479), mode="bilinear").clamp(0, 1)
        outputs = torch.stack([torch.zeros(3, 360, 479), torch.ones(3, 360, 479)])
        result = blended(TemporalSmoother(0.5, flow=True), outputs, big.expand(2, -1, -1, -1))
        assert (result[1][:, 20:-20, 20:-20] - 0.5).abs().max() < 0.02

    @pytest.mark.parametrize("size", [(1, 1), (8, 3), (33, 9)])
    def test_tiny_frames(self, size):
        frames, outputs = torch.rand(1, 3, *size).expand(2, -1, -1, -1), torch.rand(2, 3, *size)
        result = blended(TemporalSmoother(0.5, flow=True), outputs, frames)
        assert result.shape == outputs.shape
        assert result.isfinite().all()

    def test_going_on_from_a_saved_state_is_the_same_to_the_bit(self, examples):
        tensor = scene(6)
        frames = torch.cat([photo(examples, SIZE, left=k) for k in range(6)])
        outputs = torch.rand(6, 3, *SIZE)
        whole = TemporalSmoother(0.7, flow=True)
        expected = [smoothed_frame(whole, tensor, outputs, frames, k) for k in range(6)]
        first = TemporalSmoother(0.7, flow=True)
        for k in range(3):
            smoothed_frame(first, tensor, outputs, frames, k)
        second = TemporalSmoother(0.7, flow=True)
        second.restore(first.state())
        smoothed_frame(first, tensor, outputs, frames, 5)  # the saved state is a copy
        for k in range(3, 6):
            for found, wanted in zip(smoothed_frame(second, tensor, outputs, frames, k), expected[k], strict=True):
                assert torch.equal(found, wanted)

    def test_a_state_of_nothing_is_a_start(self):
        smoother = TemporalSmoother(0.7, flow=True)
        assert smoother.state() == {}
        smoother.restore({})
        assert smoother.apply(features(scene(1)), STYLE)[1] == [True]

    def test_blending_tells_after_each_frame_and_can_be_stopped(self):
        told, frames = [], scene(3)
        TemporalSmoother(0.5, flow=True).blend(frames, frames, [True] * 3, lambda *done: told.append(done))
        assert told == [(1, 3), (2, 3), (3, 3)]

        def stop(done, total):
            raise InterruptedError

        with pytest.raises(InterruptedError):
            TemporalSmoother(0.5, flow=True).blend(frames, frames, [True] * 3, stop)

    def test_frames_that_do_not_fit_are_refused(self):
        with pytest.raises(AdaINError, match="frames: expected"):
            TemporalSmoother(0.5, flow=True).blend(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 9), [True, False])


def blended(smoother: TemporalSmoother, outputs: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    return smoother.blend(outputs, frames, [True, *[False] * (len(frames) - 1)])


def smoothed_frame(smoother, tensor, outputs, frames, k):
    one = slice(k, k + 1)
    result, cuts = smoother.apply(features(tensor[one]), STYLE)
    return result.tensor, smoother.blend(outputs[one], frames[one], cuts)


def test_without_flow_outputs_come_back_as_they_are():
    outputs = torch.rand(2, 3, 8, 8)
    assert torch.equal(TemporalSmoother(0.9).blend(outputs, torch.rand(2, 3, 8, 8), [True, False]), outputs)
