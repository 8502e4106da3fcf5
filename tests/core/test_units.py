"""The units contract: what comes out is on the clock and in order, or one sentence says what cannot be."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import UnitsError
from melisma.core.records import Heard, HeardWord
from melisma.core.timebase import MILLISECONDS, SECONDS, Timebase
from melisma.core.units import UnitLimits, to_clock

FRAMES = Timebase(16000, 320)
MINUTES_3 = 180_000


def heard(times, unit=SECONDS, **facts):
    return Heard(tuple(HeardWord(f"w{i}", *t) for i, t in enumerate(times)), unit, **facts)


def song(factor, n=300, step=0.55, length=0.4, begin=3.0):
    """A song of three minutes, its times multiplied as a wrong unit does."""
    return [((begin + i * step) * factor, (begin + i * step + length) * factor) for i in range(n)]


# The three that the document asks for.


def test_seconds_are_taken_as_they_are_expected():
    got = to_clock(heard([(0.5, 1.0), (1.0015, 2.25)]), 3000)
    assert [(w.start, w.end) for w in got.words] == [(500, 1000), (1002, 2250)]
    assert (got.n_clipped, got.n_mended) == (0, 0)


def test_milliseconds_are_converted_where_they_are_declared():
    got = to_clock(heard(song(1000), MILLISECONDS), MINUTES_3 * 16, Timebase(16000))
    want = to_clock(heard(song(1)), MINUTES_3 * 16, Timebase(16000))
    assert [(w.start, w.end) for w in got.words] == [(w.start, w.end) for w in want.words]


def test_milliseconds_called_seconds_are_refused():
    with pytest.raises(UnitsError, match=r"word \d+ \('w\d+'\).* 164450 to 164850, are seconds"):
        to_clock(heard([*song(1000, n=1, begin=164.45)] * 3), MINUTES_3)
    with pytest.raises(UnitsError, match="seconds"):
        to_clock(heard(song(1000)), MINUTES_3)


def test_frames_without_a_mapping_are_refused():
    with pytest.raises(UnitsError, match="'frames', which is no clock: frames need a Timebase"):
        to_clock(heard(song(50), unit="frames"), MINUTES_3)


@pytest.mark.parametrize("unit", [SECONDS, MILLISECONDS])
@pytest.mark.parametrize("per_second", [33.333, 50, 100])
def test_frames_called_something_else_are_refused(unit, per_second):
    with pytest.raises(UnitsError, match="seconds"):
        to_clock(heard(song(per_second), unit), MINUTES_3)


def test_frames_with_their_mapping_are_converted():
    got = to_clock(heard([(25, 50), (50, 75)], FRAMES), 3000)
    assert [(w.start, w.end) for w in got.words] == [(500, 1000), (1000, 1500)]


# Factors of a thousand the other way round, and in short clips.


def test_seconds_called_milliseconds_are_refused():
    with pytest.raises(UnitsError, match=r"no word lasts longer than 0\.40 ms .* are milliseconds: the unit is wrong"):
        to_clock(heard(song(1), MILLISECONDS), MINUTES_3)


@pytest.mark.parametrize("times", [[(0.2, 0.5)], [(0.1, 0.4), (0.5, 0.9)], [(0.0, 0.9)]])
def test_short_clips_pass_in_their_unit_and_in_no_other(times):
    got = to_clock(heard(times), 1000)
    assert got.words[0].end == round(1000 * times[0][1])
    in_ms = [(a * 1000, b * 1000) for a, b in times]
    assert to_clock(heard(in_ms, MILLISECONDS), 1000).words == got.words
    with pytest.raises(UnitsError, match="milliseconds"):
        to_clock(heard(times, MILLISECONDS), 1000)
    with pytest.raises(UnitsError, match="seconds"):
        to_clock(heard(in_ms), 1000)


def test_a_lone_short_word_in_a_long_recording_is_no_wrong_unit():
    assert to_clock(heard([(170.00, 170.02)]), MINUTES_3).words[0].start == 170_000
    assert to_clock(heard([(0.00, 0.02)]), MINUTES_3).words[0].end == 20


def test_many_words_that_fill_a_scrap_of_sound_are_no_wrong_unit():
    """Whisper says such things of 0.2 s: nonsense, but in the unit that it says."""
    assert len(to_clock(heard([(0.02 * i, 0.02 * i + 0.02) for i in range(9)]), 200).words) == 9


def test_words_without_length_are_no_wrong_unit():
    assert len(to_clock(heard([(1.0, 1.0), (2.0, 2.0)]), 3000).words) == 2


def test_a_few_fast_words_at_the_head_of_a_long_recording_pass():
    rap = [(0.1 * i, 0.1 * i + 0.09) for i in range(80)]
    assert len(to_clock(heard(rap), MINUTES_3).words) == 80


def test_a_held_note_of_a_short_clip_passes():
    assert to_clock(heard([(1.0, 21.0)]), 22_000).words[0].end == 21_000


# What is no time at all.


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, "1.0", None, True, 10**400])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises(UnitsError, match=r"word 1 \('w1'\) has the start .* which is no time"):
        to_clock(heard([(0, 1), (bad, 2)]), 3000)
    with pytest.raises(UnitsError, match="has the end"):
        to_clock(heard([(0, bad)]), 3000)


def test_negative_times_are_refused():
    with pytest.raises(UnitsError, match=r"word 0 \('w0'\) starts at -0\.2, before the recording"):
        to_clock(heard([(-0.2, 1)]), 3000)


def test_an_end_before_its_start_is_refused():
    with pytest.raises(UnitsError, match=r"ends at 1\.5, before it starts at 2"):
        to_clock(heard([(2, 1.5)]), 3000)


@pytest.mark.parametrize("confidence", [1.2, -0.1, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence):
    with pytest.raises(UnitsError, match="confidence"):
        to_clock(Heard((HeardWord("a", 0, 1, confidence),), SECONDS), 3000)


def test_a_sentence_stays_short_whatever_the_word():
    with pytest.raises(UnitsError) as caught:
        to_clock(Heard((HeardWord("a" * 100_000, 2, 1),), SECONDS), 3000)
    assert len(str(caught.value)) < 200


# What is mended, and what runs too far.


def test_a_small_overhang_is_clipped_and_counted():
    got = to_clock(heard([(1.0, 2.0), (2.0, 3.4)]), 3000)
    assert got.words[-1].end == 3000
    assert got.n_clipped == 1
    beyond = to_clock(heard([(1.0, 2.0), (3.1, 3.4)]), 3000)
    assert (beyond.words[-1].start, beyond.words[-1].end, beyond.n_clipped) == (3000, 3000, 1)


def test_a_large_overhang_is_refused():
    with pytest.raises(UnitsError, match=r"word 1 \('w1'\) ends at 3\.600 s, the recording at 3\.000 s"):
        to_clock(heard([(1.0, 2.0), (2.0, 3.6)]), 3000)


def test_a_small_overlap_is_cut_and_counted():
    got = to_clock(heard([(0.0, 1.2), (1.0, 2.0)]), 3000)
    assert [(w.start, w.end) for w in got.words] == [(0, 1000), (1000, 2000)]
    assert got.n_mended == 1


def test_a_small_step_back_is_mended_and_counted():
    got = to_clock(heard([(0.0, 0.9), (1.0, 1.5), (0.9, 2.0)]), 3000)
    assert [(w.start, w.end) for w in got.words] == [(0, 900), (1000, 1000), (1000, 2000)]
    assert got.n_mended == 2


def test_a_jump_back_is_refused():
    with pytest.raises(UnitsError, match=r"word 2 \('w2'\) starts at 0\.500 s.* run backwards"):
        to_clock(heard([(0.0, 0.5), (2.0, 2.5), (0.5, 1.0)]), 3000)


def test_a_long_overlap_is_refused():
    with pytest.raises(UnitsError, match=r"word 0 \('w0'\) ends at 2\.500 s, long after the next word starts at 1"):
        to_clock(heard([(0.0, 2.5), (1.0, 2.6)]), 3000)


def test_limits_can_be_set():
    times = [(0.0, 2.5), (1.0, 2.6)]
    assert to_clock(heard(times), 3000, limits=UnitLimits(overlap_s=2.0)).n_mended == 1


def test_what_else_the_engine_said_is_kept():
    words = (HeardWord("a", 0, 1, 0.5, 7), HeardWord("b", 1, 2))
    got = to_clock(Heard(words, SECONDS, "fr", (1, 1, 0, 9, -1)), 3000)
    assert (got.language, got.breaks) == ("fr", (0, 1))
    assert (got.words[0].confidence, got.words[0].index, got.words[1].confidence) == (0.5, 7, None)


def test_numpy_numbers_are_numbers():
    got = to_clock(heard([(np.float32(0.5), np.float64(1.0)), (np.int64(1), np.float32(1.5))]), 3000)
    assert [(w.start, w.end) for w in got.words] == [(500, 1000), (1000, 1500)]


def test_nothing_heard_is_nothing_on_the_clock():
    assert to_clock(heard([]), 3000).words == ()


CLOCKS = st.sampled_from([MILLISECONDS, Timebase(16000), Timebase(44100), FRAMES])
UNITS = st.sampled_from([SECONDS, MILLISECONDS, FRAMES, Timebase(22050, 441)])


@given(
    st.lists(st.tuples(st.integers(100, 3000), st.integers(0, 2000)), min_size=1, max_size=40),
    UNITS,
    CLOCKS,
)
def test_honest_words_come_back_within_half_a_tick(steps, unit, clock):
    """Gaps and lengths in milliseconds, written in any unit, read on any clock."""
    at, times = 0, []
    for gap, length in steps:
        at += gap
        times.append((at, at + min(length, 99) + 1))
    duration = clock.ticks(times[-1][1] / 1000) + 1
    scale = unit.sample_rate / unit.stride / 1000
    got = to_clock(heard([(a * scale, b * scale) for a, b in times], unit), duration, clock)
    tick = clock.stride / clock.sample_rate
    for word, (start, end) in zip(got.words, times, strict=True):
        assert abs(clock.seconds(word.start) - start / 1000) <= tick / 2 + 1e-9
        assert abs(clock.seconds(word.end) - end / 1000) <= tick + 1e-9


NUMBERS = st.one_of(st.floats(-1, 40), st.floats(), st.integers(-5, 100_000))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8), UNITS, st.integers(0, 60_000))
def test_whatever_comes_in_goes_out_in_order_or_is_refused(times, unit, duration):
    try:
        got = to_clock(heard(times, unit), duration)
    except UnitsError as error:
        assert "\n" not in str(error)
        return
    assert [w.text for w in got.words] == [f"w{i}" for i in range(len(times))]
    at = 0
    for word in got.words:
        assert at <= word.start <= word.end <= duration
        at = word.end
    again = Heard(tuple(HeardWord(w.text, w.start, w.end) for w in got.words), MILLISECONDS)
    lenient = UnitLimits(shortest_s=0, longest_s=math.inf, held_s=math.inf, crowded_s=0)
    assert to_clock(again, duration, limits=lenient) == replace(got, n_clipped=0, n_mended=0)
