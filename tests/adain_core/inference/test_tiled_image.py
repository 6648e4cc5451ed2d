"""Streaming against the untiled pipeline."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adain_core import Stylizer
from adain_core.errors import AdaINError
from adain_core.inference.applications import plan_applications
from adain_core.inference.compositing import stylized_share
from adain_core.inference.feature_store import feature_bytes
from adain_core.inference.tiled_image import ImageInMemory, least_memory, stylize_stream
from adain_core.method.features import feature_size
from adain_core.method.normalization import Statistics
from adain_core.method.spatial_masks import to_feature_grid
from adain_core.method.style import Style
from adain_core.models.bundled import PAIRS
from adain_core.models.decoder import Decoder


class Observed(ImageInMemory):
    """Remembers the most pixels asked for at once, and checks what it is given."""

    largest = 0

    def read(self, rows, columns):
        part = super().read(rows, columns)
        self.largest = max(self.largest, part.shape[2] * part.shape[3])
        return part

    def write(self, rows, columns, pixels):
        assert pixels.shape[2:] == self.pixels[:, :, rows, columns].shape[2:]
        super().write(rows, columns, pixels)


@pytest.fixture(scope="module")
def stylizer():
    return Stylizer.load(device="cpu")


@pytest.fixture(scope="module")
def styles(stylizer):
    torch.manual_seed(1)
    return [stylizer.style(torch.rand(1, 3, 48, 40) ** power) for power in (0.3, 3)]


def streamed(stylizer, content, styles, masks=(), weights=None, **options):
    source, sink = Observed(content), Observed(torch.full_like(content, torch.nan))
    places = [to_feature_grid(mask, source.size) for mask in masks]
    if masks:
        share = stylized_share(masks, source.size)
        options["share"] = SimpleNamespace(read=lambda rows, columns: share[:, rows, columns])
    applications = plan_applications(styles, weights, places, feature_size(*source.size))
    stylize_stream(stylizer, source, sink, applications, **options)
    return sink.pixels, source.largest


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
def test_equals_untiled_with_every_control(pair):
    """Any size and tile size; no mask, one, one per style, which overlap, or an empty one."""
    stylizer = Stylizer.load(device="cpu", pair=pair)
    styles = [stylizer.style(torch.rand(1, 3, 48, 40) ** power) for power in (0.3, 3)]

    @settings(max_examples=12, deadline=None)
    @given(
        st.tuples(st.integers(1, 150), st.integers(1, 150)),
        st.sampled_from([64, 72, 100, 160]),
        st.sampled_from(["", "one", "each", "one empty"]),
        st.sampled_from([0, 0.4, 1]),
        st.booleans(),
    )
    def check(size, tile_size, kind, alpha, transparent):
        content = torch.rand(1, 3, *size)
        masks = {"": 0, "one": 1, "each": 2, "one empty": 2}[kind]
        masks = [torch.rand(1, *size) for _ in range(masks)]
        if kind == "one empty":
            masks[0].zero_()
        weights = None if len(masks) == 2 else [0.3, 0.7]
        channels = torch.rand(stylizer.encoder.feature_channels)
        controls = {"alpha": alpha, "weights": weights, "channels": channels, "masks": masks}
        opacity = (torch.rand(1, *size) - 0.3).clamp(0) if transparent else torch.ones(1, *size)
        opacity[:, 8:40] *= not transparent
        opacity[:, 0, 0] = 1
        expected = stylizer.stylize(content, styles, opacity=opacity, **controls)
        controls["opacity"] = to_feature_grid(opacity, size)
        found, _ = streamed(stylizer, content, styles, tile_size=tile_size, **controls)
        torch.testing.assert_close(found.clamp(0, 1), expected, atol=1e-4, rtol=0)

    check()


@pytest.mark.slow
def test_features_in_a_file(stylizer, styles, tmp_path):
    """With too little memory for the features and good tiles they go to a file; nothing else changes."""
    content = torch.rand(1, 3, 200, 168)
    expected = stylizer.stylize(content, styles[0])
    found, largest = streamed(stylizer, content, styles[:1], memory=least_memory(stylizer), folder=tmp_path)
    assert (tmp_path / "features").stat().st_size == feature_bytes(25, 21, 1088, torch.float32)
    assert largest <= 128 * 128
    torch.testing.assert_close(found.clamp(0, 1), expected, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_progress_and_cancelling(stylizer, styles):
    calls = []
    masks = [torch.rand(1, 130, 70) for _ in styles]
    content = torch.rand(1, 3, 130, 70)
    streamed(stylizer, content, styles, masks, tile_size=64, progress=lambda *call: calls.append(call))
    assert calls == [(k, 12) for k in range(1, 13)]  # 6 tiles: encode, decode

    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        streamed(stylizer, content, styles, progress=stop)


def test_too_little_memory(stylizer, styles, tmp_path):
    content = torch.rand(1, 3, 16, 16)
    with pytest.raises(AdaINError, match=r"memory: expected at least \d+ MiB .*, found 9 MiB"):
        streamed(stylizer, content, styles, memory=9 << 20, folder=tmp_path)


def test_style_of_another_encoder(stylizer):
    foreign = Style(Statistics(torch.zeros(1, 512), torch.ones(1, 512)), "another")
    with pytest.raises(AdaINError, match="one encoder"):
        streamed(stylizer, torch.rand(1, 3, 16, 16), [foreign])


@pytest.mark.parametrize("normalization", ["instance", "batch"])
def test_statistics_of_the_whole_image_are_not_taken_in_tiles(normalization):
    bundled = Stylizer.load(device="cpu", pair="vgg19")
    decoder = Decoder(normalization=normalization).eval().requires_grad_(False)
    decoder.trained_for = bundled.encoder.fingerprint
    stylizer = Stylizer(bundled.encoder, decoder, "cpu")
    content, style = torch.rand(1, 3, 80, 100), stylizer.style(torch.rand(1, 3, 40, 40))
    source, sink = ImageInMemory(content), ImageInMemory(torch.empty_like(content))
    if normalization == "instance":
        with pytest.raises(AdaINError, match="decoder: expected one without instance normalization"):
            stylize_stream(stylizer, source, sink, [(style, None)], tile_size=64)
        return
    stylize_stream(stylizer, source, sink, [(style, None)], tile_size=64)
    torch.testing.assert_close(sink.pixels.clamp(0, 1), stylizer.stylize(content, style), rtol=1e-4, atol=1e-4)
