"""Figures of the field against known values and against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from melisma.units.motifs import statistics

COUNTS = hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 1000)).filter(lambda each: each.sum() > 0)


def test_entropy_of_known_distributions():
    assert statistics.entropy(np.array([1, 1, 1, 1])) == pytest.approx(2.0)
    assert statistics.entropy(np.array([3, 1])) == pytest.approx(0.75 * math.log2(4 / 3) + 0.25 * 2)
    assert statistics.entropy(np.zeros(4, dtype=np.int64)) == 0


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.7])
def test_zipfs_exponent_is_found_again(exponent):
    counts = np.round(1e9 * np.arange(1, 301) ** -exponent).astype(np.int64)
    found = statistics.zipf(np.random.default_rng(0).permutation(counts))
    assert found.exponent == pytest.approx(exponent, abs=1e-4)
    assert found.r2 == pytest.approx(1.0, abs=1e-4) or exponent == 0


def test_zipfs_exponent_has_the_largest_likelihood():
    counts = np.sort(np.random.default_rng(1).integers(1, 500, 40))[::-1]
    rank = np.arange(1, 41)

    def likelihood(exponent: float) -> float:
        law = rank**-exponent / (rank**-exponent).sum()
        return float(counts @ np.log(law))

    found = statistics.zipf(counts).exponent
    assert likelihood(found) > max(likelihood(found - 0.01), likelihood(found + 0.01))


def test_no_law_of_two():
    assert statistics.zipf(np.array([5, 2, 0])) is None


def test_what_falls_in_no_straight_line_is_said_to():
    assert statistics.zipf(np.array([1000] * 50 + [1] * 50)).r2 < 0.8


def test_dispersion_of_known_distributions():
    sizes = np.array([10, 30, 60])
    assert statistics.dispersion(np.array([1, 3, 6]), sizes) == pytest.approx(0.0)
    assert statistics.dispersion(np.array([7, 0, 0]), sizes) == pytest.approx(1.0)
    # |0.5-0.1| + |0.5-0.3| + |0-0.6| = 1.2, half of it over 1 - 0.1
    assert statistics.dispersion(np.array([2, 2, 0]), sizes) == pytest.approx(0.6 / 0.9)
    assert statistics.dispersion(np.array([4, 0]), np.array([9, 0])) is None
    assert statistics.dispersion(np.array([0, 0]), np.array([9, 9])) is None


@given(COUNTS, st.floats(0.01, 1))
def test_percentiles_are_those_of_all_values_written_out(counts, share):
    values = np.arange(len(counts)) * 3
    every = np.sort(np.repeat(values, counts))
    found = statistics.percentile(values, counts, share)
    assert (every <= found).mean() >= share - 1e-9
    assert found == every[0] or (every < found).mean() < share + 1e-9


@given(COUNTS, st.floats(0.01, 1))
def test_ranks_are_as_few_as_can_be(counts, share):
    n = statistics.rank_for(counts, share)
    falling = np.sort(counts)[::-1]
    assert falling[:n].sum() >= share * counts.sum() * (1 - 1e-12)
    assert falling[: n - 1].sum() < share * counts.sum() * (1 + 1e-12)
