"""After an out-of-memory error the same work is done in smaller parts."""

from __future__ import annotations

import pytest
import torch

from adain_core import Stylizer
from adain_core.inference import pipeline
from adain_core.inference.fallback import smaller_when_out_of_memory


def test_attempts_shrink_down_to_the_smallest_tiles():
    attempts, freed = [], []

    def run(tile_size, memory):
        attempts.append((tile_size, memory))
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        smaller_when_out_of_memory(run, 0, 100, free_cache=lambda: freed.append(len(attempts)))
    assert attempts == [(0, 100), (1024, 0), (512, 0), (256, 0), (128, 0), (64, 0)]
    assert freed == [1, 2, 3, 4, 5]


def test_the_failed_attempts_tensors_are_free_before_the_next():
    """An exception holds the frames it went through, and so their tensors."""

    class Tensors:
        alive = 0

        def __init__(self):
            Tensors.alive += 1

        def __del__(self):
            Tensors.alive -= 1

    def run(tile_size, memory):
        held = Tensors()
        if memory:
            raise MemoryError
        return Tensors.alive, held is not None

    assert smaller_when_out_of_memory(run, 0, 100) == (1, True)


def test_other_errors_are_not_retried():
    attempts = []

    def run(tile_size, memory):
        attempts.append(tile_size)
        raise RuntimeError("expected scalar type Float but found Half")

    with pytest.raises(RuntimeError, match="scalar type"):
        smaller_when_out_of_memory(run, 0, 100)
    assert attempts == [0]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [128 * 128, 3 * 128 * 128])
def test_a_stylizer_that_runs_out_of_memory_gives_the_same(monkeypatch, limit):
    stylizer = Stylizer.load(device="cpu")
    content, style = torch.rand(2, 3, 200, 150), torch.rand(1, 3, 64, 64)
    expected = stylizer.stylize(content, style)
    fast = pipeline.fast

    def small(model):
        def run(x):
            pixels = x.shape[0] * x.shape[2] * x.shape[3] * (1 if x.shape[1] == 3 else 64)
            if pixels > limit:
                raise torch.OutOfMemoryError(f"{pixels} pixels")
            return fast(model)(x)

        return run

    monkeypatch.setattr(pipeline, "fast", small)
    torch.testing.assert_close(stylizer.stylize(content, style), expected, atol=1e-4, rtol=0)
