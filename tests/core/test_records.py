from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core import records
from melisma.core.records import BACKING, Alignment, Line, LyricLine, Lyrics, Repeat, Waveform, Word
from melisma.core.timebase import Timebase

CLASSES = [
    value
    for value in vars(records).values()
    if isinstance(value, type) and is_dataclass(value) and value.__module__ == records.__name__
]
SAMPLES = Timebase(16000)


def word(text: str, line: int, start: int | None, end: int | None, confidence: float | None = None) -> Word:
    return Word(text, line, start, end, confidence)


def song() -> Alignment:
    """Two lines, two stanzas, one unsung word."""
    return Alignment(
        words=(
            word("Oh", 0, 100, 200, 0.5),
            word("l'amour", 0, 200, 900, 1.0),
            word("—", 1, None, None),
            word("toujours", 1, 900, 1000),
        ),
        lines=(Line(0, 2), Line(2, 4, stanza=1)),
        duration=1000,
    )


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_records_are_frozen_and_slotted(kind):
    assert kind.__slots__ == tuple(f.name for f in fields(kind))
    assert kind.__dataclass_params__.frozen


def test_a_record_cannot_be_changed():
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'start'"):
        word("a", 0, 0, 1).start = 5


def test_a_waveform_knows_its_length_in_seconds():
    assert Waveform(np.zeros(24000, np.float32), 16000).duration_s == 1.5


def test_lyrics_give_every_word_once_and_a_blank_line_between_stanzas():
    lyrics = Lyrics((LyricLine(("a", "b")), LyricLine(("c",)), LyricLine(("d",), stanza=1)))
    assert lyrics.words == ("a", "b", "c", "d")
    assert lyrics.text == "a b\nc\n\nd"


def test_no_lyrics_are_an_empty_text():
    assert (Lyrics(()).words, Lyrics(()).text) == ((), "")


def test_a_word_tells_its_times_in_seconds_and_milliseconds():
    timed = Word("a", 0, 24, 16000, timebase=SAMPLES)
    assert (timed.start_s, timed.end_s, timed.start_ms, timed.end_ms) == (0.0015, 1.0, 2, 1000)
    assert not timed.unsung


def test_an_unsung_word_has_no_time_in_any_unit():
    unsung = word("a", 0, None, None)
    assert unsung.unsung
    assert (unsung.start_s, unsung.end_s, unsung.start_ms, unsung.end_ms) == (None, None, None, None)


def test_a_word_at_the_very_start_is_not_unsung():
    assert not word("a", 0, 0, 0).unsung
    assert word("a", 0, 0, 0).start_ms == 0


def test_an_alignment_gives_text_lines_and_averages():
    made = song()
    assert made.text == "Oh l'amour\n\n— toujours"
    assert (made.line_text(1), made.line_ms(0), made.line_ms(1)) == ("— toujours", (100, 900), (900, 1000))
    assert (made.duration_ms, made.confidence_avg) == (1000, 0.75)


def test_a_line_without_a_timed_word_has_no_time():
    made = Alignment((word("a", 0, None, None),), (Line(0, 1),), 10)
    assert (made.line_ms(0), made.confidence_avg) == (None, None)


def test_a_sound_alignment_passes_its_check():
    song().check()
    Alignment((), (), 0).check()


def broken(index: int, **changes: object) -> Alignment:
    made = song()
    words = list(made.words)
    words[index] = replace(words[index], **changes)
    return replace(made, words=tuple(words))


@pytest.mark.parametrize(
    ("alignment", "sentence"),
    [
        (broken(0, end=None), "has only one of its two times"),
        (broken(0, timebase=SAMPLES), "is on another clock"),
        (broken(0, text="o h"), "not one whitespace-free word"),
        (broken(0, text=""), "not one whitespace-free word"),
        (broken(0, text="oh\n"), "not one whitespace-free word"),
        (broken(0, start=-1), r"spans -1\.\.200, outside 0\.\.1000"),
        (broken(0, start=300), r"spans 300\.\.200"),
        (broken(3, end=1001), r"spans 900\.\.1001"),
        (broken(1, start=99), "starts at 99, before the word in front of it at 100"),
        (broken(0, line=1), "line 0 holds a word that says it is of another line"),
        (replace(song(), lines=(Line(0, 2),)), "2 words stand in no line"),
        (replace(song(), lines=(Line(0, 2), Line(2, 2), Line(2, 4))), r"line 1 holds words 2\.\.2"),
        (replace(song(), lines=(Line(0, 2), Line(1, 4))), r"line 1 holds words 1\.\.4, expected to begin at 2"),
    ],
)
def test_the_check_names_the_first_broken_promise(alignment, sentence):
    with pytest.raises(ValueError, match=sentence):
        alignment.check()


def test_a_line_may_be_sung_before_the_line_written_in_front_of_it():
    broken(3, start=0, end=50).check()


def test_words_of_the_lead_go_forward_across_a_backing_word_between_them():
    line = (word("a", 0, 200, 300), replace(word("(b)", 0, 100, 400), voice=BACKING), word("c", 0, 150, 500))
    with pytest.raises(ValueError, match=r"word 2 \('c'\) starts at 150, before the word in front of it at 200"):
        Alignment(line, (Line(0, 3),), 500).check()


@pytest.mark.parametrize(
    "again",
    [Repeat(0, 0, 0, 10), Repeat(-1, 1, 0, 10), Repeat(1, 3, 0, 10), Repeat(0, 1, 10, 9), Repeat(0, 1, -1, 9),
     Repeat(0, 1, 0, 1001)],
)  # fmt: skip
def test_a_repeat_is_of_lines_that_are_there_at_a_time_in_the_recording(again):
    replace(song(), repeats=(Repeat(0, 2, 0, 1000),)).check()
    with pytest.raises(ValueError, match="repeat 0 holds lines"):
        replace(song(), repeats=(again,)).check()


TIMES = st.one_of(st.none(), st.tuples(st.integers(-2, 12), st.integers(-2, 12)))


@given(st.lists(st.tuples(TIMES, st.integers(0, 1), st.booleans()), max_size=6))
def test_the_check_passes_exactly_what_the_contract_allows(drawn):
    words: list[Word] = []
    lines: list[Line] = []
    for times, voice, breaks in drawn:
        if breaks or not lines:
            lines.append(Line(len(words), len(words)))
        words.append(replace(word("a", len(lines) - 1, *(times or (None, None))), voice=voice))
        lines[-1] = replace(lines[-1], stop=len(words))
    made = Alignment(tuple(words), tuple(lines), 10)
    timed = [w for w in words if w.start is not None]
    forward = all(
        a.start <= b.start for i, b in enumerate(timed) for a in timed[:i] if (a.line, a.voice) == (b.line, b.voice)
    )
    sound = all(0 <= w.start <= w.end <= 10 for w in timed) and forward
    if sound:
        made.check()
    else:
        with pytest.raises(ValueError, match="word"):
            made.check()
