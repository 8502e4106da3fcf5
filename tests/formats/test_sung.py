from __future__ import annotations

from itertools import pairwise

import pytest
from format_cases import QUICK, SONG, VOICES, alignments, make, voiced
from hypothesis import given

from melisma.core.records import BACKING, LEAD, Alignment, Line, Word
from melisma.formats._sung import in_sung_order, is_backing, sung_groups


def test_lines_stand_in_the_order_in_which_they_are_sung():
    shown = in_sung_order(VOICES)
    shown.check()
    assert shown.text.split("\n") == [
        "Premier (hé) vers tenu", "(ah)", "(mmh mmh)", "", "Deuxième couplet", "jamais", "(oh oh)",
    ]  # fmt: skip


def test_a_line_may_keep_its_voices_together():
    shown = in_sung_order(VOICES, "never")
    assert [shown.line_text(i) for i in range(4)] == [
        "Premier (hé) vers (ah) tenu", "(mmh mmh)", "Deuxième couplet (oh oh)", "jamais",
    ]  # fmt: skip


def test_all_that_the_backing_voice_sings_may_stand_apart():
    shown = in_sung_order(VOICES, "always")
    assert shown.text.split("\n") == [
        "Premier vers tenu", "(hé)", "(ah)", "(mmh mmh)", "", "Deuxième couplet", "jamais", "(oh oh)",
    ]  # fmt: skip


def test_what_is_in_order_is_left_alone():
    assert in_sung_order(SONG) is SONG


def row(*words: tuple[str, int | None, int | None, int]) -> Alignment:
    return Alignment(tuple(Word(t, 0, a, b, voice=v) for t, a, b, v in words), (Line(0, len(words)),), 9000)


@pytest.mark.parametrize(
    ("alignment", "groups"),
    [
        (row(("a", 0, 1000, LEAD), ("(b)", 1000, 2000, BACKING)), ((0, 1),)),  # one after the other
        (row(("a", 0, 1001, LEAD), ("(b)", 1000, 2000, BACKING)), ((0,), (1,))),  # before the lead has ended
        (row(("(b)", 0, 1001, BACKING), ("a", 1000, 2000, LEAD)), ((0,), (1,))),  # into the lead
        (row(("(b)", 3000, 3500, BACKING), ("a", 1000, 2000, LEAD)), ((1,), (0,))),  # written in front, sung behind
        (row(("a", 0, 1000, LEAD), ("(b)", None, None, BACKING)), ((0, 1),)),  # without a time it disturbs nobody
        (row(("a", None, None, LEAD), ("(b)", 5, 9, BACKING)), ((1,), (0,))),  # its time is not that of the lead
        (row(("a", 0, 1500, LEAD), ("b", 1000, 2000, LEAD)), ((0, 1),)),  # a lead that overlaps itself is one line
        (row(("a", 5, 9, LEAD), ("(b)", 5, 9, BACKING)), ((0,), (1,))),  # together: the lead first
    ],
)
def test_a_backing_group_leaves_its_line_where_it_overlaps(alignment, groups):
    assert sung_groups(alignment) == groups


def test_a_lead_line_without_time_stays_with_the_lead_and_a_first_one_waits_for_it():
    late = make([[("x", None, None)], [("a", 5000, 6000)], [("y", None, None)], [("b", 1000, 2000)]], 9000)
    assert in_sung_order(late).text.split("\n") == ["b", "x", "a", "y"]
    words = (Word("a", 0, 0, 10), Word("(b)", 1, 20, 30, voice=BACKING), Word("c", 2, None, None))
    made = Alignment(words, (Line(0, 1), Line(1, 2), Line(2, 3)), 100)
    assert in_sung_order(made).text.split("\n") == ["a", "c", "(b)"]


def test_where_nothing_is_timed_the_text_keeps_its_order():
    made = make([[("a", None, None)], [("b", None, None)]], 100)
    assert in_sung_order(made) is made


@QUICK
@given(voiced())
def test_every_word_is_there_once_and_times_only_grow(alignment: Alignment):
    groups = sung_groups(alignment)
    assert sorted(i for group in groups for i in group) == list(range(len(alignment.words)))
    shown = in_sung_order(alignment)
    shown.check()
    starts = [span[0] for i in range(len(shown.lines)) if (span := shown.line_ms(i))]
    assert starts == sorted(starts)
    for i in range(len(shown.lines)):
        timed = [word for word in shown.line_words(i) if word.start is not None]
        assert all(a.start <= b.start for a, b in pairwise(timed))
        lead = [word for word in timed if word.voice == LEAD]
        backing = [word for word in timed if word.voice == BACKING]
        assert not any(a.start < b.end and b.start < a.end for a in lead for b in backing)
        assert len({word.line for word in (alignment.words[k] for k in groups[i])}) == 1


@QUICK
@given(voiced())
def test_lines_that_stay_together_are_those_of_the_text(alignment: Alignment):
    shown = in_sung_order(alignment, "never")
    assert sorted(shown.line_text(i) for i in range(len(shown.lines))) == sorted(
        alignment.line_text(i) for i in range(len(alignment.lines))
    )


@QUICK
@given(alignments())
def test_one_voice_in_order_is_the_alignment_itself(alignment: Alignment):
    assert in_sung_order(alignment) is alignment


def test_a_backing_line_has_no_word_of_the_lead():
    assert is_backing(VOICES.words[2:4])
    assert not is_backing(VOICES.words[1:4])
