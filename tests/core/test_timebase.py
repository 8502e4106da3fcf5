from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.timebase import MILLISECONDS, Timebase

TIMEBASES = st.builds(Timebase, st.integers(1, 192_000), st.integers(1, 10_000))
TICKS = st.integers(0, 10**12)


@given(TIMEBASES, TICKS)
def test_seconds_is_the_float_nearest_to_the_exact_time(timebase, tick):
    assert timebase.seconds(tick) == float(Fraction(tick * timebase.stride, timebase.sample_rate))


@given(TIMEBASES, TICKS)
def test_ms_rounds_the_exact_time_once_with_halves_up(timebase, tick):
    exact = Fraction(1000 * tick * timebase.stride, timebase.sample_rate)
    assert timebase.ms(tick) == floor(exact + Fraction(1, 2))


@given(TIMEBASES, TICKS, TICKS)
def test_ms_never_turns_the_order_of_ticks(timebase, a, b):
    low, high = sorted((a, b))
    assert timebase.ms(low) <= timebase.ms(high)


@given(TIMEBASES, st.integers(0, 10**8))
def test_ticks_finds_the_tick_that_seconds_came_from(timebase, tick):
    assert timebase.ticks(timebase.seconds(tick)) == tick


def test_samples_counts_strides():
    assert Timebase(16000, 480).samples(100) == 48000


def test_milliseconds_are_their_own_ticks():
    assert [MILLISECONDS.ms(n) for n in (0, 1, 1999)] == [0, 1, 1999]


@pytest.mark.parametrize(("sample_rate", "stride"), [(0, 1), (16000, 0), (-1, 1), (16000, -480)])
def test_a_clock_that_stands_still_or_runs_backwards_is_refused(sample_rate, stride):
    with pytest.raises(ValueError, match=f"not {sample_rate} Hz and {stride} samples"):
        Timebase(sample_rate, stride)
