"""Weak stretches: found where they are, cut with their lines, merged only where the other engine is surer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from melisma.core.records import Line, LyricLine, Lyrics, Waveform, Word
from melisma.core.timebase import Timebase
from melisma.engines.protocol import EngineFacts, Licence, Task
from melisma.pipeline import listen, repair
from melisma.pipeline.repair import Stretch

CLOCK = Timebase(16000, 1)
FACTS = EngineFacts("one", "1", "one-model", "0", Licence("MIT", True), Task.EMIT, 16000)
OTHER = replace(FACTS, name="two", model_id="two-model")
N_LINES = 6


def song(confidences, starts_s=None):
    """Make lines of two words, line i from 10 i seconds on, with these confidences; None for an unsung line."""
    words = []
    for i, sure in enumerate(confidences):
        at = (starts_s or [10 * i for i in range(len(confidences))])[i]
        for k in range(2):
            times = (None, None) if sure is None else (16000 * (at + 2 * k), 16000 * (at + 2 * k + 1))
            words.append(Word(f"w{i}{k}", i, *times, sure, CLOCK))
    lines = tuple(Line(2 * i, 2 * i + 2) for i in range(len(confidences)))
    return listen.Placed(tuple(words), lines, CLOCK, 16000 * 60, "en", FACTS)


def test_a_weak_line_lies_between_the_trusted_lines_around_it():
    assert repair.stretches(song([0.9, 0.9, 0.2, 0.9, 0.9])) == (Stretch(2, 3, 12.5, 30.5),)


def test_weak_lines_in_a_row_are_one_stretch_and_the_edges_are_the_recordings():
    found = repair.stretches(song([0.1, 0.9, 0.9, 0.9, 0.2, 0.3]))
    assert [(s.first, s.stop) for s in found] == [(0, 1), (4, 6)]
    assert (found[0].start_s, found[0].end_s) == (0.0, 10.5)
    assert (found[1].start_s, found[1].end_s) == (32.5, 60.0)


def test_an_unsung_line_is_weak_too():
    assert [(s.first, s.stop) for s in repair.stretches(song([0.9, None, 0.9, 0.9]))] == [(1, 2)]
    assert [(s.first, s.stop) for s in repair.stretches(song([0.9, None, 0.1, 0.9, 0.9]))] == [(1, 3)]
    assert repair.stretches(song([0.9, None, None, None, 0.9])) == ()


@pytest.mark.parametrize(("sure", "merged"), [(0.4, False), (0.6, True)])
def test_a_line_that_was_called_unsung_needs_more_than_a_guess(sure, merged):
    before = song([0.9, 0.9, None, 0.9, 0.9])
    assert (repair.merge(before, STRETCH, local(sure)) is not None) is merged


def test_a_good_song_and_a_bad_one_have_no_stretches():
    assert repair.stretches(song([0.9] * 5)) == ()
    assert repair.stretches(song([0.1, 0.1, 0.1, 0.9])) == ()


def test_lines_sung_in_another_order_are_left_alone():
    assert repair.stretches(song([0.9, 0.1, 0.9, 0.9], starts_s=[30, 20, 10, 40])) == ()


def test_times_of_synced_lyrics_are_moved_onto_the_clock_of_the_stretch():
    line = LyricLine(("w20", "w21"), 0, 20_000, 24_000, (20_000, None))
    lyrics = Lyrics((LyricLine(("w10", "w11"), 0, 9_000), line, LyricLine(("w30", "w31"))))
    samples = np.zeros(16000 * 60, np.float32)
    part = repair.cut(listen.Task(Waveform(samples, 16000), lyrics, "en"), Stretch(0, 3, 12.5, 30.5))
    assert [each.start_ms for each in part.lyrics.lines] == [None, 7_500, None]
    assert (part.lyrics.lines[1].end_ms, part.lyrics.lines[1].word_starts_ms) == (11_500, (7_500, None))


def test_the_recording_is_cut_where_the_stretch_is():
    lyrics = Lyrics(tuple(LyricLine((f"w{i}0", f"w{i}1")) for i in range(N_LINES)))
    samples = np.arange(16000 * 60, dtype=np.float32)
    part = repair.cut(listen.Task(Waveform(samples, 16000), lyrics, "en"), Stretch(2, 4, 12.5, 30.5))
    assert part.waveform.samples[0] == 12.5 * 16000
    assert part.waveform.duration_s == 18.0
    assert part.lyrics.words == ("w20", "w21", "w30", "w31")


def local(sure, rate=8000, texts=("w20", "w21")):
    """Make what another engine says of line 2, on the clock of the cut: words at 1 s and 2 s."""
    clock = Timebase(rate, 1)
    words = tuple(Word(text, 0, rate * (i + 1), rate * (i + 2), sure, clock, 0, 40.0) for i, text in enumerate(texts))
    return listen.Placed(words, (Line(0, 2),), clock, rate * 18, "en", OTHER)


STRETCH = Stretch(2, 3, 12.5, 30.5)


def test_what_is_surer_is_merged_on_the_songs_clock_and_named():
    before = song([0.9, 0.9, 0.2, 0.9, 0.9])
    merged = repair.merge(before, STRETCH, local(0.8))
    assert [(w.text, w.line, w.start_s, w.end_s, w.confidence) for w in merged.words[4:6]] == [
        ("w20", 2, 13.5, 14.5, 0.8),
        ("w21", 2, 14.5, 15.5, 0.8),
    ]
    assert {w.timebase for w in merged.words} == {CLOCK}
    assert (*merged.words[:4], *merged.words[6:]) == (*before.words[:4], *before.words[6:])
    assert merged.facts is FACTS
    assert merged.warnings == ("line 3 placed by two (two-model)",)
    assert merged.words[4].expected_error_ms == 40.0


@pytest.mark.parametrize("sure", [0.2, 0.1, None])
def test_what_is_no_surer_is_not_merged(sure):
    assert repair.merge(song([0.9, 0.9, 0.2, 0.9, 0.9]), STRETCH, local(sure)) is None


def test_other_words_are_not_merged():
    assert repair.merge(song([0.9, 0.9, 0.2, 0.9, 0.9]), STRETCH, local(0.9, texts=("w20", "no"))) is None


def test_words_that_the_other_engine_did_not_hear_count_against_it():
    other = local(0.3)
    half = replace(other, words=(other.words[0], Word("w21", 0, None, None, None, other.clock)))
    assert repair.merge(song([0.9, 0.9, 0.2, 0.9, 0.9]), STRETCH, half) is None


def test_words_beyond_the_end_of_the_song_end_with_it():
    before = replace(song([0.9, 0.9, 0.2, 0.9, 0.9]), duration=16000 * 14)
    merged = repair.merge(before, STRETCH, local(0.8))
    assert merged.words[5].end == merged.words[5].start == 16000 * 14
