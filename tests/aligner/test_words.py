"""From paths to words: starts, ends where the sound ends, confidence, and words without sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.viterbi import Path, viterbi
from melisma.aligner.words import evidence, lines, settled, unsettled, words
from melisma.core.records import Alignment, Emission, LyricLine, Lyrics, Tokens
from melisma.core.timebase import Timebase

CLOCK = Timebase(16000, 480)
LABELS = ("", "a", "b", "c")


def emission(rows, vocal=None, duration=None, shift=0.0):
    """One row per frame: the label that is sure there."""
    log_probs = np.full((len(rows), len(LABELS)), np.log(0.01), np.float32)
    log_probs[np.arange(len(rows)), rows] = np.log(0.97)
    vocal = None if vocal is None else np.array(vocal, np.float32)
    duration = len(rows) * 480 if duration is None else duration
    return Emission(log_probs, LABELS, 0, CLOCK, duration, vocal, np.full(len(LABELS), shift, np.float32))


def lyrics(*texts):
    return Lyrics(tuple(LyricLine(tuple(t.split())) for t in texts))


def tokens(spelling, line_of):
    ids = [LABELS.index(c) for word in spelling for c in word]
    owners = [i for i, word in enumerate(spelling) for _ in word]
    return Tokens(np.array(ids, np.int64), np.array(owners, np.int64), np.array(line_of, np.int64))


def place(rows, spelling, text=None, **facts):
    said = emission(rows, **facts)
    sung = lyrics(text or " ".join(w or "-" for w in spelling))
    spelt = tokens(spelling, [0] * len(spelling))
    return words(viterbi(said.log_probs, spelt), said, spelt, sung)


def test_starts_are_where_the_first_token_begins():
    got = place([0, 0, 1, 1, 0, 2, 2, 0], ["a", "b"])
    assert [w.start for w in got] == [2 * 480, 5 * 480]


def test_an_end_is_where_the_voice_ends_not_where_the_next_word_begins():
    rows = [0, 1] + [0] * 20 + [2] + [0] * 10
    vocal = [0, 1, 1, 1, 1] + [0] * 17 + [1, 1] + [0] * 9
    got = place(rows, ["a", "b"], vocal=vocal)
    assert [w.end for w in got] == [5 * 480, 24 * 480]


def test_a_short_dip_of_the_voice_does_not_end_a_held_note():
    vocal = [1, 1, 1, 0, 0, 1, 1, 1, 1, 1] + [0] * 10
    got = place([1] + [0] * 19, ["a"], vocal=vocal)
    assert got[0].end == 10 * 480


@pytest.mark.parametrize("stride", [160, 320, 480])
def test_a_dip_is_measured_in_seconds(stride):
    a_second = 16000 // stride
    said = emission([1] + [0] * (2 * a_second), vocal=[1] * (2 * a_second + 1))
    said = replace(said, timebase=Timebase(16000, stride), duration=len(said.log_probs) * stride)
    said.vocal[a_second // 2 : a_second // 2 + a_second // 10] = 0  # 0.1 s: a dip
    said.vocal[a_second : a_second + a_second // 5] = 0  # 0.2 s: an end
    spelt = tokens(["a"], [0])
    got = words(viterbi(said.log_probs, spelt), said, spelt, lyrics("a"))
    assert got[0].end_s == pytest.approx(1.0, abs=0.03)


def test_a_word_whose_last_phone_is_heard_late_ends_there_and_not_at_the_next_pause():
    # The voice stops at frame 10, the last phone is spelt at frame 14, the next word comes 80 frames later.
    rows = [1] + [0] * 13 + [2] + [0] * 80 + [3] + [0] * 10
    vocal = [1] * 10 + [0] * 85 + [1] * 6 + [0] * 5
    got = place(rows, ["ab", "c"], vocal=vocal)
    assert got[0].end == 15 * 480


def test_without_vocal_activity_a_word_lasts_to_the_next():
    got = place([1, 0, 0, 0, 2, 0], ["a", "b"])
    assert [(w.start, w.end) for w in got] == [(0, 4 * 480), (4 * 480, 6 * 480)]


def test_a_word_without_sound_stands_between_its_neighbours():
    got = place([1, 0, 0, 0, 2, 0], ["a", "", "b"])
    assert got[1].text == "-"
    assert got[0].end <= got[1].start == got[1].end <= got[2].start
    assert got[1].confidence == min(got[0].confidence, got[2].confidence)


def test_a_dash_that_opens_a_line_waits_for_its_line():
    said = emission([1] + [0] * 30 + [2] + [0] * 5, vocal=[1, 1] + [0] * 29 + [1, 1] + [0] * 4)
    sung, spelt = lyrics("a", "— b …"), tokens(["a", "", "b", ""], [0, 1, 1, 1])
    got = words(viterbi(said.log_probs, spelt), said, spelt, sung)
    assert got[1].start == got[1].end == got[2].start == 31 * 480
    assert got[3].start == got[3].end == got[2].end
    made = Alignment(got, lines(sung), said.duration, Timebase(16000, 1))
    made.check()
    assert made.line_ms(1)[0] == 930


def test_words_without_sound_at_the_edges_keep_inside_the_recording():
    got = place([0, 0, 1, 0], ["", "a", ""])
    assert got[0].start == got[0].end == got[1].start == 2 * 480
    assert got[2].start == got[1].end <= 4 * 480


def test_where_no_word_has_a_sound_all_are_unsung():
    got = place([0, 0], ["", ""], text="… —")
    assert [(w.text, w.unsung, w.end) for w in got] == [("…", True, None), ("—", True, None)]


def test_the_engines_lateness_is_taken_off_and_stays_inside():
    got = place([1, 0, 0, 2, 0], ["a", "b"], shift=-0.03)
    assert [w.start for w in got] == [0, 2 * 480]


def test_words_keep_a_frame_each_however_their_first_phones_are_shifted():
    """A fricative is heard late and a vowel early: shifted towards each other, neither may swallow the other."""
    got = place([1, 2, 1, 2, 0, 0], ["a", "b", "a", "b"], shift=[0, 0.045, -0.048, 0])
    assert all(word.end - word.start >= CLOCK.stride for word in got[:3])
    assert got[0].start == round(0.045 * 16000)


def test_a_last_frame_that_hangs_over_the_end_is_cut():
    got = place([1, 1, 2], ["a", "b"], duration=2 * 480 + 100)
    assert got[1].start == 2 * 480
    assert got[1].end == 2 * 480 + 100


def two_words(second=2, voice=1.0):
    """A second of silence, a, a second of silence, b or what is heard in its place, a second of silence."""
    rows = [0] * 33 + [1] + [0] * 33 + [second] + [0] * 33
    return place(rows, ["a", "b"], vocal=[1.0] * 60 + [voice] * 41)


def test_confidence_falls_where_the_label_is_not_heard_and_where_nobody_sings():
    sure, misheard, silent = two_words(), two_words(3), two_words(3, 0.1)
    assert misheard[1].confidence < sure[1].confidence
    assert silent[1].confidence < misheard[1].confidence
    assert all(0 <= w.confidence <= 1 for w in (*sure, *misheard, *silent))


def test_confidence_falls_where_a_word_is_heard_twice():
    def heard(*at, n_frames=120):
        rows = np.full((n_frames, len(LABELS)), 1e-4)
        rows[np.arange(n_frames), [int(frame in at) for frame in range(n_frames)]] = 1
        said = replace(emission([0] * n_frames), log_probs=np.log(rows).astype(np.float32))
        spelt = tokens(["a"], [0])
        return words(viterbi(said.log_probs, spelt), said, spelt, lyrics("a"))[0].confidence

    assert heard(40, 80) < heard(40) - 0.03


def test_a_word_is_doubted_with_its_line():
    """The same word, heard as well: in a line of which the rest is heard, and in one of which it is not."""
    rows = [0] * 33 + [1] + [0] * 33 + [2] + [0] * 33
    fits, fails = place(rows, ["a", "b"]), place(rows, ["a", "cbacba"])
    assert fails[0].confidence < fits[0].confidence - 0.01
    assert fails[0].expected_error_ms > fits[0].expected_error_ms + 10


def test_a_line_that_is_not_heard_at_all_is_doubted():
    silence = [0] * 40
    heard = place([*silence, 1, 0, 2, *silence], ["a", "b"], vocal=[1] * 83)
    unheard = place([*silence, 3, 0, 3, *silence], ["a", "b"], vocal=[1] * 83)
    assert min(w.confidence for w in heard) > 0.9
    assert max(w.confidence for w in unheard) < 0.3


def test_evidence_says_what_it_measures():
    said = emission([0, 1, 0, 3, 0, 0], vocal=[0.1, 0.9, 0.7, 0.5, 0.5, 0.1])
    spelt = tokens(["a", "bc"], [0, 1])
    path = Path(np.array([0, 1, 2, 3, 5, 6]), 0.0)  # b is put where c is heard, c where nothing is
    got = evidence(path, said, spelt, np.array([3, 5]))
    high, low = np.log(0.97), np.log(0.01)
    np.testing.assert_allclose(got.word, [high, low], rtol=1e-5)
    np.testing.assert_allclose(got.line, [0, low - high], rtol=1e-5)
    np.testing.assert_allclose(got.voice, [0.8, 0.5], rtol=1e-5)


def test_lines_cover_all_words_in_order():
    sung = Lyrics((LyricLine(("a", "b")), LyricLine(("c",), stanza=1)))
    assert [(line.first, line.stop, line.stanza) for line in lines(sung)] == [(0, 2, 0), (2, 3, 1)]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_alignment_keeps_its_promises(data):
    spelling = data.draw(st.lists(st.text("abc", max_size=4), min_size=1, max_size=8))
    n_frames = data.draw(st.integers(60, 90))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    log_probs = np.log(rng.dirichlet(np.ones(4) * 0.3, n_frames) + 1e-6).astype(np.float32)
    shift = data.draw(st.floats(-0.2, 0.2))
    duration = n_frames * 480 - data.draw(st.integers(0, 479))
    shifts = np.full(len(LABELS), shift, np.float32)
    said = Emission(log_probs, LABELS, 0, CLOCK, duration, rng.random(n_frames).astype(np.float32), shifts)
    line_of = sorted(data.draw(st.lists(st.integers(0, 2), min_size=len(spelling), max_size=len(spelling))))
    line_of = [sorted(set(line_of)).index(k) for k in line_of]
    sung = Lyrics(
        tuple(
            LyricLine(tuple(w or "…" for w, k in zip(spelling, line_of, strict=True) if k == line))
            for line in sorted(set(line_of))
        )
    )
    spelt = tokens(spelling, line_of)
    placed = words(viterbi(log_probs, spelt), said, spelt, sung)
    Alignment(placed, lines(sung), duration, Timebase(16000, 1)).check()
    assert tuple(w.text for w in placed) == sung.words
    assert all(w.confidence is None or 0 <= w.confidence <= 1 for w in placed)


def test_no_word_is_held_for_longer_than_anybody_sings():
    got = place([1] + [0] * 999, ["a"], vocal=[1] * 1000)
    assert got[0].end_s == pytest.approx(8, abs=0.03)


def test_every_word_that_is_sung_says_how_far_its_start_may_be_off():
    got = place([0, 0, 1, 1, 0, 2, 2, 0], ["a", "", "b"])
    assert all(0 < word.expected_error_ms <= 5000 for word in got)
    assert got[1].expected_error_ms >= max(got[0].expected_error_ms, got[2].expected_error_ms) - 0.1
    assert all(word.expected_error_ms is None for word in place([0, 0], ["", ""], text="… —"))


def test_a_word_that_may_stand_in_two_places_is_further_off_and_less_sure():
    once, twice = [0] * 20 + [1] + [0] * 69, [0] * 20 + [1] + [0] * 39 + [1] + [0] * 29
    sure, torn = place(once, ["a"])[0], place(twice, ["a"])[0]
    assert torn.confidence < sure.confidence - 0.04
    assert torn.expected_error_ms > 1.5 * sure.expected_error_ms


def test_what_another_way_of_searching_found_is_less_sure():
    said = emission([0, 0, 1, 1, 0, 2, 2, 0] + [0] * 30)
    spelt = tokens(["a", "b"], [0, 0])
    raw = unsettled(viterbi(said.log_probs, spelt), said, spelt, lyrics("a b"))
    found = (raw[0], replace(raw[1]))
    first, again = settled(raw, raw), settled(found, raw)
    assert first == settled(raw) == words(viterbi(said.log_probs, spelt), said, spelt, lyrics("a b"))
    assert again[0] == first[0]
    assert again[1].confidence < first[1].confidence
    assert again[1].expected_error_ms > first[1].expected_error_ms


def test_words_that_are_unsung_stay_so_and_make_the_others_less_sure():
    said = emission([0, 0, 1, 1, 0, 2, 2, 0] + [0] * 30)
    spelt = tokens(["a", "b"], [0, 0])
    raw = unsettled(viterbi(said.log_probs, spelt), said, spelt, lyrics("a b"))
    nowhere = replace(raw[1], start=None, end=None, confidence=None, expected_error_ms=None)
    got = settled((raw[0], nowhere))
    assert got[1] == nowhere
    assert got[0].confidence < settled((raw[0],))[0].confidence
