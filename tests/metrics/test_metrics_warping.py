"""The cheapest way through two sequences, against all ways there are."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import InputError
from melisma.metrics import warping

frames = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=7)


def cost(first, second, steps):
    return sum(float(np.linalg.norm(first[i] - second[j])) for i, j in steps)


@given(frames, frames)
def test_no_way_is_cheaper(first, second):
    x, y = np.array(first, float), np.array(second, float)

    @cache
    def cheapest(i, j):
        here = float(np.linalg.norm(x[i] - y[j]))
        before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        ways = [cheapest(a, b) for a, b in before if a >= 0 and b >= 0]
        return here + (min(ways) if ways else 0)

    steps = warping.path(x, y)
    assert cost(x, y, steps) == pytest.approx(cheapest(len(x) - 1, len(y) - 1))
    assert steps[0].tolist() == [0, 0]
    assert steps[-1].tolist() == [len(x) - 1, len(y) - 1]
    moved = np.diff(steps, axis=0)
    assert {tuple(move) for move in moved.tolist()} <= {(1, 1), (1, 0), (0, 1)}


@given(frames, frames, st.integers(1, 8))
def test_no_way_inside_a_band_is_cheaper(first, second, band):
    x, y = np.array(first, float), np.array(second, float)
    wide = max(band, abs(len(x) - len(y)))

    @cache
    def cheapest(i, j):
        if i < 0 or j < 0 or abs(i - j) > wide:
            return np.inf
        here = float(np.linalg.norm(x[i] - y[j]))
        if i == j == 0:
            return here
        return here + min(cheapest(i - 1, j - 1), cheapest(i - 1, j), cheapest(i, j - 1))

    steps = warping.path(x, y, band)
    assert cost(x, y, steps) == pytest.approx(cheapest(len(x) - 1, len(y) - 1))
    assert np.abs(steps[:, 0] - steps[:, 1]).max() <= wide


def test_a_sequence_said_more_slowly_costs_nothing():
    said = np.arange(12.0)[:, None]
    slowly = np.repeat(said, 3, axis=0)
    assert cost(said, slowly, warping.path(said, slowly)) == 0


def test_what_is_empty_or_too_long_is_refused():
    with pytest.raises(InputError, match="without frames"):
        warping.path(np.zeros((0, 2)), np.zeros((3, 2)))
    with pytest.raises(InputError, match="too many to be warped"):
        warping.path(np.zeros((10_000, 1)), np.zeros((10_000, 1)))
