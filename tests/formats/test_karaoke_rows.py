"""Rows: every timed word once, in time, within the width, and never two rows in one place."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.records import BACKING, LEAD, Alignment, Line, Word
from melisma.formats._draft import TimedWord
from melisma.formats.karaoke_rows import GAP_MS, Place, broken, rows, width


def song(*lines, duration=600_000):
    """Make an alignment of lines, each a list of (text, start, end) or (text, start, end, voice)."""
    words, made = [], []
    for k, line in enumerate(lines):
        first = len(words)
        words += [Word(t, k, start, end, voice=more[0] if more else LEAD) for t, start, end, *more in line]
        made.append(Line(first, len(words)))
    found = Alignment(tuple(words), tuple(made), duration)
    found.check()
    return found


def even(text, start, each=400, gap=100, voice=LEAD):
    return [(w, start + k * (each + gap), start + k * (each + gap) + each, voice) for k, w in enumerate(text.split())]


def test_lines_take_turns_and_the_next_one_is_seen_while_one_is_sung():
    found = rows(song(*[even("one two three", 1000 + 1700 * k) for k in range(6)]), 20, 20)
    assert [row.place for row in found] == [Place.UPPER, Place.LOWER] * 3
    for row, after in pairwise(found):
        assert after.seen <= row.start + 500  # as soon as there is a place
        assert row.gone >= row.end


def test_a_long_line_becomes_rows_of_like_width():
    text = "nobody remembers every little wonder of the long and winding summer road"
    found = rows(song(even(text, 1000)), 16, 16)
    assert len(found) == 3
    assert " ".join(word.text for row in found for word in row.words) == text
    widths = [width(" ".join(word.text for word in row.words)) for row in found]
    assert max(widths) <= 16
    assert min(widths) > 0.7 * max(widths)
    assert all(row.scale == 1 for row in found)


def test_a_word_that_is_too_wide_is_made_smaller():
    (row,) = rows(song(even("Rindfleischetikettierungsüberwachung", 1000)), 10, 10)
    assert row.scale == pytest.approx(10 / width(row.words[0].text))


def test_a_word_without_end_is_cut():
    (row,) = rows(song(even("a" * 5000, 1000)), 10, 10)
    assert len(row.words[0].text) == 200
    assert row.words[0].text.endswith("…")


def test_singers_are_counted_in_behind_a_gap_only():
    found = rows(song(even("one two", 6000), even("three four", 8000), even("five six", 9000 + GAP_MS + 2000)), 20, 20)
    assert [row.counted_in for row in found] == [True, False, True]
    assert found[0].seen == 1000
    assert found[2].place is Place.UPPER
    assert found[2].seen == found[2].start - 5000


def test_a_song_that_begins_at_once_has_no_count():
    assert not rows(song(even("one two", 1000)), 20, 20)[0].counted_in


def test_the_backing_voice_has_a_place_of_its_own():
    found = rows(song(even("one two three four", 1000), even("ooh ooh", 1500, voice=BACKING)), 20, 20)
    assert [row.place for row in found] == [Place.UPPER, Place.BACKING]


def test_a_backing_group_inside_a_line_stays_in_it():
    line = [*even("one two", 1000), *even("(ooh)", 2100, voice=BACKING), *even("three", 2700)]
    (row,) = rows(song(line), 20, 20)
    assert [word.voice for word in row.words] == [LEAD, LEAD, BACKING, LEAD]


def test_lines_that_nobody_sings_are_left_out_and_words_are_not():
    found = rows(song([("never", None, None)], [("some", 1000, 1400), ("silent", None, None)]), 20, 20)
    assert [[word.text for word in row.words] for row in found] == [["some", "silent"]]


def test_nothing_timed_is_no_row():
    assert rows(song([("never", None, None)]), 20, 20) == ()


@st.composite
def songs(draw):
    lines, at = [], 0
    for _ in range(draw(st.integers(1, 12))):
        at = max(0, at + draw(st.integers(-1500, 9000)))  # lines may overlap, and leave gaps
        line, time = [], at
        for _ in range(draw(st.integers(1, 14))):
            text = draw(st.sampled_from(["a", "and", "wonderful", "歌う", "שלום", "W" * 30]))
            length = draw(st.integers(0, 900))
            timed = draw(st.integers(0, 9)) > 0
            line.append((text, time, time + length) if timed else (text, None, None))
            time += length + draw(st.integers(0, 300))
        at = time
        lines.append(line)
    return song(*lines)


@given(songs(), st.sampled_from([4.0, 12.0, 25.0]))
def test_every_song_can_be_shown(alignment, limit):
    found = rows(alignment, limit, limit)
    shown = sorted((word.start, word.text) for row in found for word in row.words if word.start is not None)
    kept = [
        (word.start, word.text)
        for i in range(len(alignment.lines))
        for word in alignment.line_words(i)
        if word.start is not None
    ]
    assert shown == sorted(kept)
    for row in found:
        assert 0 <= row.seen <= row.start <= row.end
        assert row.seen <= row.gone
        assert width(" ".join(word.text for word in row.words)) * row.scale <= limit * 1.001
    for place in Place:
        there = sorted((row for row in found if row.place is place), key=lambda row: row.seen)
        for row, after in pairwise(there):
            assert row.gone <= max(after.seen, row.seen)


@given(st.lists(st.sampled_from(["i", "and", "wonderful", "MMMM"]), min_size=1, max_size=40), st.floats(2, 30))
def test_breaking_keeps_every_word_in_order(texts, limit):
    words = [TimedWord(text) for text in texts]
    found = broken(words, limit)
    assert [word for row in found for word in row] == words
    for row in found:
        assert len(row) == 1 or width(" ".join(word.text for word in row)) <= limit + 1e-6
