"""AdaIN Stylize Frames: chunks that share one past, nothing smoothed at 0."""

from __future__ import annotations

import pytest
import torch

from adain_core import Stylizer
from adain_core.images.files import load_picture
from adain_core.video.smoothing import TemporalSmoother

FRAMES = 11  # more than a chunk


@pytest.fixture
def node(pack):
    return pack.NODE_CLASS_MAPPINGS["AdaINStylizeFrames"]


@pytest.fixture
def module(pack, node):
    return __import__(node.__module__, fromlist=["StylizeFrames"])


@pytest.fixture
def frames(examples):
    """A camera that moves over a photo, as IMAGE."""
    photo = load_picture(examples / "content_chelsea.jpg").pixels
    return torch.cat([photo[..., 100:148, 100 + 2 * k : 164 + 2 * k] for k in range(FRAMES)]).movedim(1, 3)


@pytest.fixture
def style(examples):
    return load_picture(examples / "style_starry_night.jpg").pixels[..., 200:264, 200:264].movedim(1, 3)


def stylize(node, *inputs, **options):
    (result,) = node().stylize(*inputs, **options)
    return result


@pytest.mark.slow
@pytest.mark.parametrize("flow", [False, True])
def test_chunks_equal_frames_one_by_one(node, frames, style, flow):
    stylizer, smoother = Stylizer.load(device="cpu"), TemporalSmoother(0.6, flow)
    known = stylizer.style(style.movedim(3, 1))
    expected = []
    for frame in frames.movedim(3, 1).split(1):
        features, cuts = smoother.apply(stylizer.encode(frame), known, 0.9)
        expected.append(smoother.blend(stylizer.decode(features), frame, cuts))
    result = stylize(node, frames, style, 0.9, 0.6, flow)
    torch.testing.assert_close(result.movedim(3, 1), torch.cat(expected), atol=1e-3, rtol=0)


def test_smoothing_0_is_adain_stylize(pack, node, frames, style):
    mask = torch.zeros(1, 48, 64)
    mask[..., 20:] = 1
    plain = pack.NODE_CLASS_MAPPINGS["AdaINStylize"]().stylize(frames, style, 0.7, mask, True)[0]
    assert torch.equal(stylize(node, frames, style, 0.7, 0.0, True, mask=mask, preserve_color=True), plain)
