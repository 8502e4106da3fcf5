"""Corrections: what each edit does, what is refused and in which words, and what no sequence of them can break."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.edits import Confirm, Merge, Move, Retype, Ripple, Shift, Split, Unsing, apply
from melisma.core.errors import InputError, RefusedEdit
from melisma.core.records import BACKING, Alignment, Line, Repeat, Word
from melisma.core.timebase import MILLISECONDS, Timebase


def song(clock: Timebase = MILLISECONDS) -> Alignment:
    """Two lines: `and so it goes` from 1 s on, a word each half second, and `far (far) away` from 5 s on."""

    def word(text, line, start_s, end_s, voice=0):
        times = (None, None) if start_s is None else (clock.ticks(start_s), clock.ticks(end_s))
        return Word(text, line, *times, 0.5, clock, voice, 100.0)

    words = (
        word("and", 0, 1.0, 1.4),
        word("so", 0, 1.5, 1.9),
        word("it", 0, 2.0, 2.4),
        word("goes", 0, 2.5, 2.9),
        word("far", 1, 5.0, 5.4),
        word("(far)", 1, 5.2, 5.6, BACKING),
        word("away", 1, None, None),
    )
    lines = (Line(0, 4), Line(4, 7, 1))
    repeats = (Repeat(0, 1, clock.ticks(7.0), clock.ticks(8.0)),)
    return Alignment(words, lines, clock.ticks(10.0), clock, repeats=repeats)


def times(alignment: Alignment) -> list[tuple[int | None, int | None]]:
    return [(word.start_ms, word.end_ms) for word in alignment.words]


def test_no_edits_change_nothing():
    edited = apply(song(), [], {3})
    assert edited.alignment == song()
    assert edited.corrected == {3}


def test_a_moved_word_is_certain_and_the_others_are_as_they_were():
    before = song()
    edited = apply(before, [Move(1, 1600, 1950)])
    moved = edited.alignment.words[1]
    assert (moved.start_ms, moved.end_ms, moved.confidence, moved.expected_error_ms) == (1600, 1950, 1.0, 0.0)
    assert [w for i, w in enumerate(edited.alignment.words) if i != 1] == [
        w for i, w in enumerate(before.words) if i != 1
    ]
    assert edited.corrected == {1}


def test_a_ripple_takes_the_rest_of_the_line_along():
    edited = apply(song(), [Move(1, 1700, 2100, Ripple.LINE)])
    assert times(edited.alignment)[:5] == [(1000, 1400), (1700, 2100), (2200, 2600), (2700, 3100), (5000, 5400)]
    assert edited.corrected == {1}
    assert edited.alignment.words[2].confidence == 0.5


def test_a_ripple_takes_the_whole_line_along():
    edited = apply(song(), [Move(1, 3500, 3900, Ripple.WHOLE)])
    assert times(edited.alignment)[:5] == [(3000, 3400), (3500, 3900), (4000, 4400), (4500, 4900), (5000, 5400)]
    assert edited.corrected == {1}


def test_a_ripple_takes_the_rest_of_the_song_along():
    edited = apply(song(), [Move(1, 1700, 2100, Ripple.SONG)])
    assert times(edited.alignment)[3:] == [(2700, 3100), (5200, 5600), (5400, 5800), (None, None)]
    again = edited.alignment.repeats[0]
    assert (again.start, again.end) == (7200, 8200)


def test_a_ripple_leaves_alone_what_is_sung_before_though_written_after():
    before = song()
    early = replace(before.words[4], start=100, end=400)
    edited = apply(
        replace(before, words=(*before.words[:4], early, *before.words[5:])), [Move(1, 1700, 2100, Ripple.SONG)]
    )
    assert edited.alignment.words[4] == early


def test_where_only_the_end_moves_the_ripple_follows_the_end():
    edited = apply(song(), [Move(1, 1500, 2000, Ripple.LINE)])
    assert times(edited.alignment)[1:4] == [(1500, 2000), (2100, 2500), (2600, 3000)]


def test_a_time_is_given_to_an_unsung_word():
    edited = apply(song(), [Move(6, 6000, 6500)])
    assert times(edited.alignment)[6] == (6000, 6500)
    assert edited.alignment.words[6].confidence == 1.0


def test_a_time_that_did_not_change_is_the_same_tick():
    before = song(Timebase(44100))
    odd = replace(before.words[1], start=66151, end=83790)  # 1500.02 ms
    before = replace(before, words=(before.words[0], odd, *before.words[2:]))
    edited = apply(before, [Move(1, 1500, 1800)])
    assert edited.alignment.words[1].start == 66151


def test_a_word_put_at_its_neighbours_millisecond_is_in_order_on_any_clock():
    clock = Timebase(44100)
    before = song(clock)
    late = replace(before.words[1], start=66170, end=83790)  # 1500.45 ms, which is 1500 rounded, as is tick 66150
    before = replace(before, words=(before.words[0], late, *before.words[2:]))
    edited = apply(before, [Move(2, 1500, 2400)])
    assert edited.alignment.words[2].start == 66170


def test_a_range_is_shifted_and_counts_as_set():
    edited = apply(song(), [Shift(2, 7, -200)])
    assert times(edited.alignment) == [
        (1000, 1400),
        (1500, 1900),
        (1800, 2200),
        (2300, 2700),
        (4800, 5200),
        (5000, 5400),
        (None, None),
    ]
    assert edited.corrected == {2, 3, 4, 5}


def test_a_word_is_split_and_the_indices_go_on():
    edited = apply(song(), [Split(1, 1700, ("s", "o"))], {0, 1, 3, 6})
    assert [w.text for w in edited.alignment.line_words(0)] == ["and", "s", "o", "it", "goes"]
    assert times(edited.alignment)[1:3] == [(1500, 1700), (1700, 1900)]
    assert edited.alignment.lines == (Line(0, 5), Line(5, 8, 1))
    assert edited.corrected == {0, 1, 2, 4, 7}


def test_an_unsung_word_is_split_without_a_time():
    edited = apply(song(), [Split(6, None, ("a", "way"))])
    assert times(edited.alignment)[6:] == [(None, None), (None, None)]
    assert edited.corrected == frozenset()


def test_two_words_are_merged_and_the_indices_go_back():
    edited = apply(song(), [Merge(1)], {1, 3, 6})
    assert [w.text for w in edited.alignment.line_words(0)] == ["and", "soit", "goes"]
    assert times(edited.alignment)[1] == (1500, 2400)
    assert edited.corrected == {1, 2, 5}


def test_a_word_merged_with_an_unsung_one_keeps_its_times():
    edited = apply(song(), [Unsing(1), Merge(1, "so-it")])
    assert times(edited.alignment)[1] == (2000, 2400)
    assert edited.alignment.words[1].text == "so-it"
    assert edited.corrected == frozenset()  # where it begins is still what the engine said


def test_a_retyped_word_keeps_its_place_and_what_is_said_of_it():
    edited = apply(song(), [Retype(3, "went")])
    assert edited.alignment.words[3] == replace(song().words[3], text="went")
    assert edited.corrected == frozenset()


def test_a_word_is_marked_unsung():
    edited = apply(song(), [Unsing(3)])
    assert edited.alignment.words[3].unsung
    assert edited.alignment.words[3].confidence is None
    assert edited.corrected == {3}


def test_confirmed_words_are_certain_where_they_are():
    edited = apply(song(), [Confirm(4, 7)])
    assert times(edited.alignment) == times(song())
    assert [word.confidence for word in edited.alignment.words[4:6]] == [1.0, 1.0]
    assert edited.corrected == {4, 5, 6}


def test_a_line_may_be_tapped_anew_past_its_old_times():
    edits = [Move(i, 3000 + 300 * i, 3200 + 300 * i) for i in range(4)]
    assert [start for start, _ in times(apply(song(), edits).alignment)[:4]] == [3000, 3300, 3600, 3900]


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([Move(7, 0, 1)], r"edit 0 \(move of word 7\) cannot be made: there are 7 words, counted from 0"),
        ([Move(-1, 0, 1)], r"move of word -1\) cannot be made: there are 7 words"),
        (
            [Move(1, 1600, 1500)],
            r"\(move of word 1 \('so'\)\) cannot be made: it would end at 1500 ms, before it starts",
        ),
        ([Move(1, -5, 1500)], "-5 ms is outside of the recording, which ends at 10000 ms"),
        ([Move(1, 1500, 10001)], "10001 ms is outside of the recording"),
        ([Move(1, 900, 1500)], "before the word in front of it, 'and', which does at 1000 ms"),
        ([Confirm(0, 1), Move(1, 2100, 2200)], r"edit 1 \(move of word 1 .*after the next word of its line, 'it'"),
        ([Move(6, 6000, 6500, Ripple.LINE)], "it has no time yet, so there is nothing to move others by"),
        ([Move(1, 9000, 9400, Ripple.LINE)], r"move of word 3 \('goes'\)\) .* moved out of the recording"),
        ([Move(3, 5000, 5400, Ripple.SONG)], "a line that is sung again would be moved out of the recording"),
        ([Shift(0, 4, -1001)], r"shift of word 0 \('and'\)\) .* moved out of the recording"),
        ([Shift(2, 2, 5)], r"\[2, 2\) is no range of the 7 words"),
        ([Shift(5, 8, 5)], r"\[5, 8\) is no range of the 7 words"),
        ([Shift(6, 7, 5)], "no word from here on has a time to shift"),
        ([Shift(1, 2, -600)], "before the word in front of it, 'and'"),
        ([Split(1, 1400, ("s", "o"))], "1400 ms is outside of it, which is sung from 1500 to 1900 ms"),
        ([Split(1, None, ("s", "o"))], "it needs a time to split it at"),
        ([Split(6, 6000, ("a", "way"))], "it has no time to split it at"),
        ([Split(1, 1700, ("s", ""))], "'' is not one word without spaces"),
        ([Merge(3)], "it is the last of its line"),
        ([Merge(6)], "it is the last of its line"),
        ([Merge(4)], "the next word is of another voice"),
        ([Retype(0, "and so")], "'and so' is not one word without spaces"),
        ([Retype(0, "a\x00b")], "holds a character that no file can hold"),
        ([Retype(0, "a\ud800")], "holds a character that no file can hold"),
        ([Confirm(3, 3)], "is no range"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(edits, said):
    with pytest.raises(RefusedEdit, match=said) as refused:
        apply(song(), edits)
    assert isinstance(refused.value, InputError)
    assert "\n" not in str(refused.value)


def test_a_word_may_be_spelt_with_joiners():
    assert apply(song(), [Retype(0, "می\u200cروم")]).alignment.words[0].text == "می\u200cروم"


WORD = st.integers(-1, 12)
MS = st.integers(-200, 10_400)
SPELT = st.sampled_from(["la", "na", "l'amour", "two words", "", "\x07"])
EDITS = st.one_of(
    st.builds(
        lambda i, at, for_ms, way: Move(i, at, at + for_ms, way),
        WORD,
        MS,
        st.integers(-5, 900),
        st.sampled_from(Ripple),
    ),
    st.builds(Shift, WORD, WORD, st.integers(-900, 900)),
    st.builds(Split, WORD, st.none() | MS, st.tuples(SPELT, SPELT)),
    st.builds(Merge, WORD, st.none() | SPELT),
    st.builds(Retype, WORD, SPELT),
    st.builds(Unsing, WORD),
    st.builds(Confirm, WORD, WORD),
)


@settings(max_examples=300)
@given(st.lists(EDITS, max_size=12), st.sampled_from([MILLISECONDS, Timebase(44100), Timebase(16000, 320)]))
def test_no_sequence_of_accepted_edits_breaks_a_promise_or_loses_a_word(edits, clock):
    """One at a time: what is refused changes nothing, what is accepted keeps the text but for what it says."""
    alignment, corrected = song(clock), frozenset({0, 5})
    for edit in edits:
        try:
            edited = apply(alignment, [edit], corrected)
        except RefusedEdit as refused:
            assert "cannot be made: " in str(refused)
            continue
        edited.alignment.check()
        n_more = {Split: 1, Merge: -1}.get(type(edit), 0)
        assert len(edited.alignment.words) == len(alignment.words) + n_more
        assert len(edited.alignment.lines) == len(alignment.lines)
        if not isinstance(edit, Split | Merge | Retype):
            assert edited.alignment.text == alignment.text
        for i in edited.corrected:
            word = edited.alignment.words[i]
            assert word.unsung or (i in corrected or word.confidence == 1.0 or isinstance(edit, Split | Merge))
        alignment, corrected = edited.alignment, edited.corrected
    assert all(0 <= i < len(alignment.words) for i in corrected)


@settings(max_examples=200)
@given(st.lists(EDITS, min_size=2, max_size=6))
def test_a_batch_is_what_its_edits_are_one_by_one_where_each_is_accepted(edits):
    alignment, corrected = song(), frozenset[int]()
    taken = []
    for edit in edits:
        try:
            edited = apply(alignment, [edit], corrected)
        except RefusedEdit:
            continue
        alignment, corrected = edited.alignment, edited.corrected
        taken.append(edit)
    whole = apply(song(), taken)
    assert (whole.alignment, whole.corrected) == (alignment, corrected)
