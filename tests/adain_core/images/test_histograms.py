from __future__ import annotations

import numpy as np
import pytest
import torch

from adain_core.images.histograms import match_histogram


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_as_many_different_numbers_become_the_references_own_in_their_order():
    values, reference = torch.randn(500).double(), torch.rand(500).double()
    result = match_histogram(values, reference)
    expected = torch.empty_like(values)
    expected[values.argsort()] = reference.sort().values
    torch.testing.assert_close(result, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [((5, 5, 5, 5), (2.5, 2.5, 2.5, 2.5)), ((1, 9, 9, 2), (1, 3.5, 3.5, 2)), ((7, 3), (3.5, 1.5)), ((8,), (2.5,))],
)
def test_what_covers_several_quantiles_gets_their_mean(values, expected):
    torch.testing.assert_close(match_histogram(numbers(*values), numbers(4, 1, 3, 2)), numbers(*expected))


def test_weights_are_as_repetitions():
    values, reference = numbers(0.3, 0.1, 0.2), numbers(1, 4, 2)
    times, reference_times = torch.tensor([2, 1, 3]), torch.tensor([1, 2, 1])
    found = match_histogram(values, reference, times, reference_times)
    repeated = match_histogram(values.repeat_interleave(times), reference.repeat_interleave(reference_times))
    torch.testing.assert_close(found.repeat_interleave(times), repeated)


def test_numbers_of_weight_0_follow_the_others():
    found = match_histogram(numbers(1, 2, 3), numbers(10, 20), weights=torch.tensor([1.0, 0.0, 1.0]))
    assert found.tolist() == [10, 10, 20]


def test_equals_numpy_quantiles():
    generator = np.random.default_rng(0)
    values, reference = generator.normal(size=4000), generator.gamma(2.0, size=4000)
    found = match_histogram(torch.from_numpy(values), torch.from_numpy(reference)).numpy()
    ranks = (values.argsort().argsort() + 0.5) / len(values)
    expected = np.interp(ranks, (np.arange(len(reference)) + 0.5) / len(reference), np.sort(reference))
    np.testing.assert_allclose(found, expected, atol=1e-9)
