"""Batches in chunks, progress to the last step, cancelling, and less memory when memory runs out."""

from __future__ import annotations

import pytest
import torch

from adain_core import Stylizer
from adain_core.inference.memory_estimates import working_memory
from adain_core.video.smoothing import TemporalSmoother


@pytest.fixture
def execution(pack):
    return __import__(f"{pack.__name__}.nodes.execution", fromlist=["execution"])


@pytest.fixture
def host(execution):
    return execution.host


@pytest.fixture
def models(pack):
    nodes = pack.NODE_CLASS_MAPPINGS
    (encoder,) = nodes["AdaINEncoderLoader"]().load("vgg19_relu4_1.safetensors")
    (decoder,) = nodes["AdaINDecoderLoader"]().load("decoder_vgg19.safetensors")
    return encoder, decoder


@pytest.fixture
def told(host, monkeypatch):
    """What the progress bars were told."""
    seen = []
    monkeypatch.setattr(host, "progress_bar", lambda total: lambda done, total: seen.append((done, total)))
    return seen


def per_frame(content, style, **options):
    stylizer = Stylizer.load(device="cpu", pair="vgg19")
    pairs = zip(content.split(1), style.expand(len(content), -1, -1, -1).split(1), strict=True)
    return torch.cat([stylizer.stylize(c, s, **options) for c, s in pairs])


@pytest.mark.slow
@pytest.mark.parametrize(("styles", "preserve_color"), [(1, False), (1, True), (10, True)])
def test_frames_in_chunks_equal_frames_one_by_one(execution, models, told, styles, preserve_color):
    content, style = torch.rand(10, 3, 16, 11), torch.rand(styles, 3, 16, 16)
    result = execution.stylize(*models, content, style, 0.8, preserve_color=preserve_color)
    expected = per_frame(content, style, alpha=0.8, preserve_color=preserve_color)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)
    done = [done for done, _ in told]
    assert done == sorted(done), "one bar for the whole batch"
    assert told[-1][0] == told[-1][1], "to the last step"


@pytest.mark.parametrize("references", [1, 10])
def test_colors_in_chunks_equal_all_at_once(execution, told, references):
    images, reference = torch.rand(10, 3, 16, 11), torch.rand(references, 3, 12, 12)
    for method in ("mean-covariance", "luminance", "histogram"):
        result = execution.match_color(images, reference, method, 0.7)
        torch.testing.assert_close(result, execution.color.match_color(images, reference, method, strength=0.7))
        assert told[-2:] == [(8, 10), (10, 10)]


def test_the_bar_is_full_when_the_last_frame_is_blended(execution, models, told):
    class Smoother(TemporalSmoother):
        blends = True

        def blend(self, outputs, frames, cuts, progress):
            for k in range(len(frames)):
                assert told[-1][0] < told[-1][1], "there is a frame to blend"
                progress(k + 1, len(frames))
            return outputs

    execution.stylize(*models, torch.rand(10, 3, 16, 11), torch.rand(1, 3, 16, 16), smoother=Smoother())
    done = [done for done, _ in told]
    assert done == sorted(done)
    assert told[-1][0] == told[-1][1]


def test_a_mask_per_frame(execution, models):
    content, style, mask = torch.rand(9, 3, 24, 32), torch.rand(1, 3, 32, 32), torch.zeros(9, 24, 32)
    mask[8] = 1
    result = execution.stylize(*models, content, style, 1.0, mask)
    stylizer = Stylizer.load(device="cpu", pair="vgg19")
    torch.testing.assert_close(result[8:], stylizer.stylize(content[8:], style), atol=1e-4, rtol=0)
    assert torch.equal(result[:8], content[:8])


def test_features_in_flight_do_not_grow_with_the_batch(execution, models, monkeypatch):
    encode, sizes = execution.pipeline.encode, []

    def watched(encoder, images, *rest):
        sizes.append(len(images))
        return encode(encoder, images, *rest)

    monkeypatch.setattr(execution.pipeline, "encode", watched)
    execution.stylize(*models, torch.rand(30, 3, 8, 8), torch.rand(1, 3, 8, 8))
    assert max(sizes) <= 8
    assert sum(sizes) == 31, "every frame once, and the style once"


@pytest.mark.parametrize(
    ("style", "mask", "message"),
    [(3, 1, "style: expected a batch of 1 or of 2"), (1, 3, "mask: expected a batch of 1 or of 2")],
)
def test_batches_that_do_not_fit(execution, models, style, mask, message):
    with pytest.raises(ValueError, match=f"{message} like the content, found 3"):
        execution.stylize(*models, torch.rand(2, 3, 8, 8), torch.rand(style, 3, 8, 8), 1.0, torch.ones(mask, 8, 8))


def test_cancel_stops_at_the_next_chunk(execution, host, models, monkeypatch):
    class CancelledError(Exception):
        pass

    calls = []

    def bar(done, total):
        calls.append(done)
        if len(calls) == 5:
            raise CancelledError

    monkeypatch.setattr(host, "progress_bar", lambda total: bar)
    with pytest.raises(CancelledError):
        execution.stylize(*models, torch.rand(80, 3, 8, 8), torch.rand(1, 3, 8, 8))
    assert len(calls) == 5


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("expected all tensors to be on the same device"), False),
    ],
)
def test_what_counts_as_out_of_memory(host, error, expected):
    assert host.is_out_of_memory(error) is expected


@pytest.mark.slow
def test_out_of_memory_means_smaller_pieces(execution, models, monkeypatch):
    """A device that can hold 128x104 pixels at once: neither the batch nor one image."""
    encoder, decoder = models
    content, style = torch.rand(2, 3, 104, 136), torch.rand(1, 3, 16, 16)
    expected = execution.stylize(encoder, decoder, content, style)
    error = torch.OutOfMemoryError("simulated")
    limit = 104 * 128
    fast = execution.pipeline.fast

    def small(model):
        scale = 1 if model is encoder.model else 64

        def run(x):
            if x.shape[0] * x.shape[2] * x.shape[3] * scale > limit:
                raise error
            return fast(model)(x)

        return run

    monkeypatch.setattr(execution.pipeline, "fast", small)
    result = execution.stylize(encoder, decoder, content, style)
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=0)


def test_other_errors_are_not_retried(execution, models, monkeypatch):
    encoder, _ = models
    calls = []

    def broken(x):
        calls.append(x)
        raise RuntimeError("weights on another device")

    monkeypatch.setattr(execution.pipeline, "fast", lambda model: broken)
    with pytest.raises(RuntimeError, match="another device"):
        execution.encode(encoder, torch.rand(1, 3, 8, 8))
    assert len(calls) == 1


def test_models_are_asked_for_with_an_estimate(execution, models, monkeypatch):
    encoder, _ = models
    asked = []
    monkeypatch.setattr(encoder, "load", lambda memory: asked.append(memory) or encoder.model)
    execution.encode(encoder, torch.rand(1, 3, 16, 8))
    assert asked == [working_memory(16 * 8, encoder.model.feature_channels)]
