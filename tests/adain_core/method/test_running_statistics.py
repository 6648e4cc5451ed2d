from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from adain_core.errors import AdaINError
from adain_core.method.normalization import channel_statistics
from adain_core.method.running_statistics import RunningStatistics


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.booleans())
def test_parts_equal_the_whole(batch, height, width, step, masked):
    """Also far from zero, where sums of squares would lose everything."""
    x = torch.rand(batch, 5, height, width, dtype=torch.float64) + 1000 * torch.arange(5)[:, None, None]
    mask = torch.rand(batch, height, width).clamp(min=0.01) if masked else None
    running = RunningStatistics()
    for top in range(0, height, step):
        rows = slice(top, top + step)
        running.add(x[:, :, rows].float(), None if mask is None else mask[:, rows])
    expected = channel_statistics(x, mask)
    torch.testing.assert_close(torch.stack(running.statistics()), torch.stack(expected).float(), atol=1e-3, rtol=1e-6)


def test_many_places_at_once():
    x = torch.rand(1, 3, 70, 80).contiguous(memory_format=torch.channels_last)
    found, expected = RunningStatistics().add(x).statistics(), channel_statistics(x)
    torch.testing.assert_close(torch.stack(found), torch.stack(expected), atol=1e-6, rtol=0)


def test_parts_outside_the_mask_do_not_count():
    x, mask = torch.rand(1, 4, 6, 3), torch.zeros(1, 6, 3)
    mask[:, 4:] = 0.5
    running = RunningStatistics()
    for rows in (slice(0, 2), slice(2, 4), slice(4, 6)):
        running.add(x[:, :, rows], mask[:, rows])
    torch.testing.assert_close(
        torch.stack(running.statistics()), torch.stack(channel_statistics(x[:, :, 4:])), atol=1e-6, rtol=0
    )
    with pytest.raises(AdaINError, match="found an empty mask"):
        RunningStatistics().add(x, torch.zeros(1, 6, 3)).statistics()


def test_nothing_is_read_on_the_host_without_a_mask():
    """The meta device holds no values to read."""
    x = torch.rand(2, 3, 40, 50, device="meta")
    mean, std = RunningStatistics().add(x).add(x).statistics()
    assert (mean.device.type, mean.shape, std.dtype) == ("meta", (2, 3), torch.float32)


def test_a_single_part_needs_no_float64():
    """Some devices do not have it."""

    class NoFloat64(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            result = function(*arguments, **options or {})
            assert not isinstance(result, torch.Tensor) or result.dtype != torch.float64
            return result

    with NoFloat64():
        for mask in (None, torch.rand(1, 9, 7)):
            RunningStatistics().add(torch.rand(2, 3, 9, 7), mask).statistics()
