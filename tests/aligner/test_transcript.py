"""Lyrics made of what was heard: lines where a singer breathes, and no word lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.transcript import TranscriptConfig, transcript
from melisma.aligner.words import lines
from melisma.core.errors import UnitsError
from melisma.core.records import Alignment, Heard, HeardWord
from melisma.core.timebase import MILLISECONDS, SECONDS, Timebase


def heard(*words, breaks=()):
    """(text, start, end) in milliseconds."""
    return Heard(tuple(HeardWord(text, a, b, 0.5) for text, a, b in words), MILLISECONDS, "fr", breaks)


def texts(got):
    return [line.text for line in got[0].lines]


def test_a_pause_of_more_than_a_second_and_a_half_breaks_a_line():
    got = transcript(heard(("a", 0, 400), ("b", 1900, 2000), ("c", 3501, 4000)), 5000)
    assert texts(got) == ["a b", "c"]


def test_a_segment_begins_a_line():
    got = transcript(heard(("a", 0, 400), ("b", 500, 900), ("c", 1000, 1400), breaks=(0, 2)), 5000)
    assert texts(got) == ["a b", "c"]


def test_a_long_pause_begins_a_stanza():
    got = transcript(heard(("a", 0, 400), ("b", 3000, 3400), ("c", 9400, 9800), ("d", 9900, 10_000)), 12_000)
    assert [(line.text, line.stanza) for line in got[0].lines] == [("a", 0), ("b", 0), ("c d", 1)]
    assert got[0].text == "a\nb\n\nc d"


def test_a_line_that_is_too_long_breaks_at_a_comma_near_its_middle():
    words = [("vingt", 400 * i, 400 * i + 300) for i in range(16)]
    words[6] = ("mots,", 2400, 2700)
    got = transcript(heard(*words), 10_000)
    assert [len(line.words) for line in got[0].lines] == [7, 9]
    assert got[0].lines[0].words[-1] == "mots,"


def test_a_line_that_is_too_long_breaks_at_a_pause():
    words = [("mot", 400 * i + (900 if i > 5 else 0), 400 * i + 300 + (900 if i > 5 else 0)) for i in range(14)]
    got = transcript(heard(*words), 10_000)
    assert [len(line.words) for line in got[0].lines] == [6, 8]


def test_a_word_longer_than_a_line_stays_whole():
    assert texts(transcript(heard(("a" * 80, 0, 400)), 1000)) == ["a" * 80]


def test_texts_of_several_words_are_cut_at_their_spaces_and_empty_ones_go():
    got = transcript(heard((" going to ", 0, 700), (" ", 700, 800), ("x", 800, 900), breaks=(1,)), 1000)
    assert [(w.text, w.start, w.end, w.confidence) for w in got[1]] == [
        ("going", 0, 500, 0.5),
        ("to", 500, 700, 0.5),
        ("x", 800, 900, 0.5),
    ]
    assert texts(got) == ["going to", "x"]


def test_nothing_heard_is_no_line():
    got = transcript(heard(), 1000)
    assert got[0].lines == got[1] == ()


def test_times_that_cannot_be_are_refused():
    with pytest.raises(UnitsError):
        transcript(Heard((HeardWord("a", 400, 900),), SECONDS), 1000)


WORDS = st.lists(
    st.tuples(st.sampled_from(["a", "la mer", "dimanche,", "fin.", " "]), st.integers(0, 8000), st.integers(20, 900)),
    max_size=60,
)


@settings(deadline=None)
@given(WORDS, st.sets(st.integers(0, 59)), st.sampled_from([MILLISECONDS, Timebase(16000)]))
def test_no_word_is_lost_and_the_alignment_holds(steps, breaks, clock):
    at, words = 0, []
    for text, gap, length in steps:
        words.append((text, at + gap, at + gap + length))
        at += gap + length
    duration = clock.ticks(at / 1000 + 1)
    sheet, placed = transcript(heard(*words, breaks=tuple(breaks)), duration, clock)
    assert [w.text for w in placed] == [part for text, _, _ in words for part in text.split()]
    assert sheet.words == tuple(w.text for w in placed)
    config = TranscriptConfig()
    assert all(len(line.words) <= config.most_words for line in sheet.lines)
    assert all(len(line.text) <= config.most_characters for line in sheet.lines)
    if placed:
        Alignment(placed, lines(sheet), duration, clock, "fr").check()
    ends = [0, *(w.end for w in placed)]
    assert all(end <= w.start for end, w in zip(ends, placed, strict=False))
