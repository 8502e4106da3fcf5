"""Warping against every way there is, and against what must hold for all of them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.core.errors import TooFewFrames
from melisma.engines import warping
from melisma.engines.warping import unit_length, warp


def frames(seed, n, n_dims=3):
    rng = np.random.default_rng([seed, n])
    return unit_length(rng.normal(size=(n, n_dims)).astype(np.float32))


def drifting(seed, n, n_dims=12):
    """Frames that change slowly, as sounds do."""
    steps = np.random.default_rng(seed).normal(size=(n, n_dims)).cumsum(axis=0)
    return unit_length(steps.astype(np.float32))


def cost(long, short, path):
    return sum(1 - float(a @ short[k]) for a, k in zip(long, path, strict=True))


def every_way(n_long, n_short):
    def go(path):
        if len(path) == n_long:
            if path[-1] == n_short - 1:
                yield path
            return
        for step in range(3):
            if path[-1] + step < n_short:
                yield from go([*path, path[-1] + step])

    yield from go([0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 9))
def test_the_cheapest_of_all_ways(seed, n_long, n_short):
    long, short = frames(seed, n_long), frames(seed + 1, n_short)
    ways = list(every_way(n_long, n_short))
    if not ways:
        with pytest.raises(TooFewFrames):
            warp(long, short)
        return
    # So short sequences fit into the band beside the coarse path as a whole.
    assert cost(long, short, warp(long, short)) == pytest.approx(min(cost(long, short, w) for w in ways), abs=1e-4)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.floats(0.0, 1.0))
def test_a_way_leads_from_end_to_end_by_steps_of_two_at_most(seed, n_long, share):
    n_short = 1 + round(share * 2 * (n_long - 1))
    path = warp(frames(seed, n_long), frames(seed + 1, n_short))
    assert (path[0], path[-1], len(path)) == (0, n_short - 1, n_long)
    assert np.diff(path).min(initial=0) >= 0
    assert np.diff(path).max(initial=0) <= 2


@pytest.mark.parametrize("cells", [warping.CELLS, 4000])
def test_a_stretched_sequence_is_found_again(cells, monkeypatch):
    """Also from a matrix so coarse that it takes three levels to get down to the frames."""
    monkeypatch.setattr(warping, "CELLS", cells)
    short = drifting(3, 900)
    rng = np.random.default_rng(4)
    truth = np.sort(np.concatenate([np.arange(900), rng.integers(0, 900, 600)]))
    long = unit_length(short[truth] + rng.normal(0, 0.02, (1500, 12)).astype(np.float32))
    off = np.abs(warp(long, short) - truth)
    assert np.median(off) <= 1
    assert off.max() <= 12


def test_memory_grows_with_the_length_and_not_with_its_square():
    long, short = drifting(5, 60_000), drifting(5, 40_000)
    tracemalloc.start()
    warp(long, short)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * warping.CELLS  # the matrix of all frames holds 71 times CELLS


def test_too_short_a_sequence_says_what_is_needed():
    with pytest.raises(TooFewFrames, match="3 frames, these lyrics need 5") as caught:
        warp(frames(0, 3), frames(1, 8))
    assert caught.value.n_needed == 5
