"""The gate: it passes what is sung as it is placed, and every witness refuses what speaks against it by itself."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from melisma.aligner.gate import GateConfig, Measures, impossible, judge, measure
from melisma.core.records import BACKING, Emission, Word
from melisma.core.timebase import Timebase

CLOCK = Timebase(16000, 1)
LABELS = ("", "a")
N_LINES, N_WORDS = 8, 5
LINE_S, WORD_S = 4.0, 0.5


def song(confidence=0.9):
    """Eight lines of five words, a word every half second, a line every four."""
    return [
        Word("la", line, CLOCK.ticks(at), CLOCK.ticks(at + 0.45), confidence, CLOCK)
        for line in range(N_LINES)
        for at in (1 + line * LINE_S + k * WORD_S for k in range(N_WORDS))
    ]


def heard(placed, duration_s=1 + N_LINES * LINE_S, frame=480):
    """What an engine hears of a song that is sung as it is placed: a voice wherever a word stands."""
    n_frames = int(duration_s * 16000 / frame)
    vocal = np.full(n_frames, 0.02, np.float32)
    for word in placed:
        vocal[word.start // frame : word.end // frame] = 0.97
    log_probs = np.zeros((n_frames, len(LABELS)), np.float32)
    return Emission(log_probs, LABELS, 0, Timebase(16000, frame), int(duration_s * 16000), vocal)


def moved(placed, seconds):
    ticks = CLOCK.ticks(abs(seconds)) * (1 if seconds > 0 else -1)
    return [replace(word, start=word.start + ticks, end=word.end + ticks) for word in placed]


def unsung(word):
    return replace(word, start=None, end=None, confidence=None)


def only(verdict, said):
    """Whether one witness alone refuses it, and says so."""
    assert len(verdict.reasons) == 1, verdict.reasons
    assert said in verdict.reasons[0]
    return not verdict.passed


def test_a_good_song_passes_and_says_what_was_measured():
    placed = song()
    verdict = judge(placed, heard(placed), second=moved(placed, 0.1))
    assert verdict.passed
    assert verdict.reasons == ()
    found = verdict.measures
    assert (verdict.confidence_avg, verdict.low_conf_ratio) == (found.confidence_avg, found.low_conf_ratio)
    assert found.confidence_avg == pytest.approx(0.9)
    assert found.silent_ratio == pytest.approx(0.0, abs=0.1)
    assert found.unclaimed_ratio == pytest.approx(0.0, abs=0.1)
    assert found.apart_median_s == pytest.approx(0.1)
    assert (found.unsung_ratio, found.impossible_ratio, found.apart_ratio) == (0, 0, 0)


def test_words_that_are_hardly_sure_are_refused():
    placed = song(0.5)
    assert only(judge(placed, heard(placed)), "the average confidence is 0.50, below 0.60")


def test_many_doubtful_words_are_refused_though_the_rest_is_sure():
    placed = [replace(word, confidence=0.2 if i % 2 else 1.0) for i, word in enumerate(song())]
    config = GateConfig(min_confidence_avg=0.5)
    assert only(judge(placed, heard(placed), config), "50% of the words are doubtful, more than 25%")


def test_lyrics_of_which_most_are_not_sung_are_refused():
    placed = song()
    some = [word if word.line < 3 else unsung(word) for word in placed]
    found = judge(some, heard(some[:15]))
    assert only(found, "of the words are not found sung")
    assert found.measures.unsung_ratio == pytest.approx(5 / 8)


def test_words_where_no_voice_is_heard_are_refused():
    placed = song()
    shifted = moved(placed, 2.2)[:-5]
    silent = judge(shifted, heard(placed[:-5]), GateConfig(max_unclaimed_ratio=1.0))
    assert only(silent, "of the time of the words no voice is heard")


def test_a_voice_that_no_word_claims_is_refused():
    placed = song()
    assert only(judge(placed[:10], heard(placed)), "of what is sung stands in no word")


def test_lines_that_are_squeezed_together_are_refused():
    placed = [
        replace(word, start=CLOCK.ticks(at), end=CLOCK.ticks(at + 0.03)) if word.line in (2, 5) else word
        for i, word in enumerate(song())
        for at in (1 + word.line * LINE_S + 0.03 * (i % N_WORDS),)
    ]
    verdict = judge(placed, heard(placed))
    assert only(verdict, "of the words are held or hurried as nobody sings")
    assert verdict.measures.impossible_ratio == pytest.approx(2 / 8)
    assert np.flatnonzero(impossible(placed)).tolist() == [*range(10, 15), *range(25, 30)]


def test_words_that_are_held_for_longer_than_anybody_can_are_refused():
    placed = song()
    held = [replace(word, end=word.start + CLOCK.ticks(8.0)) if word.line == 7 else word for word in placed[::5]]
    held += [replace(word, end=word.start + CLOCK.ticks(8.0)) for word in placed[-2:]]
    assert only(judge(held, heard(held, 60.0)), "of the words are held or hurried as nobody sings")
    assert only(judge(held), "of the words are held or hurried as nobody sings")
    assert judge(held, replace(heard(held, 60.0), vocal=None)).passed  # there they last to the next word


def test_fast_words_pass_where_somebody_sings_them():
    rap = [Word("la", i // 8, CLOCK.ticks(0.12 * i), CLOCK.ticks(0.12 * i + 0.1), 0.9, CLOCK) for i in range(160)]
    assert judge(rap, heard(rap, 20.0)).passed
    two = [Word("a", 0, 0, 1, 0.9, CLOCK), Word("b", 0, 1, 9000, 0.9, CLOCK)]
    assert not impossible(two).any()


def test_a_second_engine_that_disagrees_refuses():
    placed = song()
    other = [*placed[:20], *moved(placed[20:], 1.5)]
    verdict = judge(placed, heard(placed), second=other)
    assert only(verdict, "50% of the words are put elsewhere by a second engine, more than 30%")
    assert judge(placed, heard(placed), second=moved(placed, 0.9)).passed


def test_a_second_engine_speaks_of_words_that_both_place():
    placed = song()
    other = [unsung(word) if i % 2 else word for i, word in enumerate(placed)]
    assert measure(placed, second=other).apart_ratio == 0
    nobody = measure(placed, second=[unsung(word) for word in placed])
    assert (nobody.apart_ratio, nobody.apart_median_s) == (None, None)
    strangers = measure(placed, second=moved(placed, 9)[:-1])
    assert strangers.apart_ratio is None


def test_a_backing_voice_that_another_engine_puts_elsewhere_disputes_nothing():
    placed = [replace(word, voice=BACKING) if word.line % 2 else word for word in song()]
    other = [moved([word], 3)[0] if word.voice == BACKING else word for word in placed]
    assert measure(placed, second=other).apart_ratio == 0


def test_an_engine_without_ears_for_a_voice_leaves_those_measures_out():
    placed = song()
    for emission in (None, replace(heard(placed), vocal=None)):
        verdict = judge(moved(placed, 2.0), emission)
        assert verdict.passed
        assert (verdict.measures.silent_ratio, verdict.measures.unclaimed_ratio) == (None, None)


def test_words_without_a_confidence_are_not_held_against_an_alignment():
    placed = [replace(word, confidence=None) for word in song()]
    verdict = judge(placed, heard(placed))
    assert verdict.passed
    assert (verdict.confidence_avg, verdict.low_conf_ratio) == (None, 0.0)


def test_nothing_at_all_is_nothing_to_refuse():
    assert judge([]).passed
    assert judge([], heard(song())).measures.silent_ratio is None


def test_voices_are_measured_in_time_whatever_the_frames():
    placed = song()
    for frame in (160, 320, 480):
        found = measure(placed[:20], heard(placed, frame=frame))
        assert found.unclaimed_ratio == pytest.approx(0.5, abs=0.05)
        assert found.silent_ratio == pytest.approx(0.0, abs=0.12)


@pytest.mark.parametrize("field", [field.name for field in fields(GateConfig) if field.name.startswith(("max", "min"))])
def test_every_threshold_can_be_turned(field):
    placed = [replace(word, confidence=0.1 if i % 10 == 0 else 0.8) for i, word in enumerate(song())]
    placed[3] = unsung(placed[3])
    placed[0] = replace(placed[0], end=placed[0].start + CLOCK.ticks(8.0))
    emission = heard([word for word in placed if not word.unsung and word.line < 7])
    emission.vocal[-40:] = 0.9
    second = [*moved(placed[:2], 2.0), *placed[2:]]
    passes = GateConfig()
    assert judge(placed, emission, passes, second).passed
    strict = replace(passes, **{field: 0.99 if field.startswith("min") else 0.0})
    assert len(judge(placed, emission, strict, second).reasons) == 1


def test_what_was_measured_cannot_be_changed():
    found = measure(song())
    assert isinstance(found, Measures)
    with pytest.raises(AttributeError):
        found.unsung_ratio = 0.0
