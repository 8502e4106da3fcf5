"""Words searched again between those that stay: where they go, what does not move, and what cannot be searched."""

from __future__ import annotations

from dataclasses import replace

import heard_songs as songs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melisma.aligner.anchored import Stretch, around, realigned, stretches
from melisma.aligner.words import lines
from melisma.core.records import BACKING, Alignment, Word
from melisma.core.timebase import MILLISECONDS, Timebase

LINES = ("golden birds fly away now", "thin cloud jumps on me", "quick foxes sleep in boxes")
GAP = "." * 40
SUNG = GAP.join(["", *LINES, ""])
FRAMES = songs.frames_of(SUNG)
SAMPLES = Timebase(songs.RATE)


def truth(text=LINES, sung=SUNG, clock=SAMPLES) -> Alignment:
    """Every word where it is sung: on its frames, or unsung."""
    tokens, lyrics = songs.text(*text)
    words, at = [], 0
    for i, word in enumerate(lyrics.words):
        found = sung.find(word, at)
        span = (None, None)
        if found >= 0:
            at = found + len(word)
            begin = len(songs.frames_of(sung[:found])) * songs.FRAME_S
            span = clock.ticks(begin), clock.ticks(begin + songs.HELD * len(word) * songs.FRAME_S)
        words.append(Word(word, int(tokens.line[i]), *span, 0.9, clock))
    return Alignment(tuple(words), lines(lyrics), clock.ticks(len(songs.frames_of(sung)) * songs.FRAME_S), clock)


def with_times(alignment, numbers, by, **what):
    """The alignment with some words moved by so many ticks."""
    words = list(alignment.words)
    for i in numbers:
        words[i] = replace(words[i], start=words[i].start + by, end=words[i].end + by, **what)
    return replace(alignment, words=tuple(words))


def again(alignment, free, sung=SUNG, text=LINES):
    return realigned(alignment, free, songs.heard(songs.frames_of(sung)), songs.text(*text)[0])


def off_s(found, true):
    pairs = zip(found.words, true.words, strict=True)
    return [abs((a.start_s or 0) - (b.start_s or 0)) for a, b in pairs]


@pytest.mark.parametrize("clock", [SAMPLES, MILLISECONDS, Timebase(44100, 1), Timebase(16000, 320)])
def test_words_between_two_that_stay_go_where_they_are_sung(clock):
    true = truth(clock=clock)
    wrong = with_times(true, range(6, 9), clock.ticks(0.4))
    found = again(wrong, range(6, 9))
    assert max(off_s(found, true)) < songs.FRAME_S
    for i in (*range(6), *range(9, 15)):
        assert found.words[i] == wrong.words[i]
    assert all(word.confidence > 0.8 for word in found.words[6:9])


def test_words_stay_in_the_room_between_those_that_hold_it_though_these_are_wrong():
    """Whoever says that a word is there is right: its neighbours come behind it even where they are sung before."""
    true = truth()
    wrong = with_times(true, [6], 4 * songs.HELD * songs.STRIDE)
    found = again(wrong, [7, 8])
    assert found.words[6] == wrong.words[6]
    assert (
        found.words[6].end <= found.words[7].start <= found.words[8].start <= found.words[8].end <= true.words[9].start
    )


def test_a_retyped_word_is_searched_as_it_is_spelt_now():
    text = (LINES[0], "thin cloud xxx on me", LINES[2])
    true = truth()
    wrong = with_times(true, [7], -songs.STRIDE * 8)
    words = list(wrong.words)
    words[7] = replace(words[7], text="xxx")
    missed = again(replace(wrong, words=tuple(words)), [7], text=text)
    assert missed.words[7].confidence < 0.5  # nobody sings that
    heard = again(wrong, [7])
    assert abs(heard.words[7].start - true.words[7].start) < songs.STRIDE
    assert heard.words[7].confidence > 0.8


def test_an_unsung_line_gets_times_where_it_is_sung_and_stays_unsung_where_not():
    text = (LINES[0], LINES[1], "zebras quit", LINES[2])
    for sung, is_heard in ((GAP.join(["", LINES[0], LINES[1], "zebras quit", LINES[2], ""]), True), (SUNG, False)):
        true = truth(text, sung)
        gone = [replace(w, start=None, end=None, confidence=None) if w.line == 2 else w for w in true.words]
        found = again(replace(true, words=tuple(gone)), range(5, 12), sung, text)
        assert all(word.unsung is not is_heard for word in found.words[10:12])
        assert max(off_s(found, true)) < songs.FRAME_S


def test_what_a_person_calls_unsung_stays_so():
    sung = GAP.join(["", LINES[0], "thin cloud on me", LINES[2], ""])
    true = truth(sung=sung)
    assert [i for i, word in enumerate(true.words) if word.unsung] == [7]
    found = again(with_times(true, [6, 8], 1000), [6, 8], sung)
    assert found.words[7] == true.words[7]
    assert max(off_s(found, true)) < songs.FRAME_S


def test_words_of_a_backing_voice_stay_and_hold_no_room():
    sung = GAP.join(["", LINES[0], "thin cloud on me", LINES[2], ""])
    words = list(truth(sung=sung).words)
    words[7] = replace(words[7], voice=BACKING, start=0, end=100)
    true = replace(truth(), words=tuple(words), duration=truth(sung=sung).duration)
    found = again(with_times(true, [6, 8], 1000), range(5, 10), sung)
    assert found.words[7] == true.words[7]
    assert max(off_s(found, true)) < songs.FRAME_S


def test_too_little_room_moves_nothing():
    true = truth()
    end = true.words[5].end
    tight = with_times(true, [9], end + 3 * songs.STRIDE - true.words[9].start)
    for i in (6, 7, 8):
        tight = with_times(tight, [i], end - tight.words[i].start)
    tight.check()
    assert again(tight, [6, 7, 8]) == tight


def test_a_line_that_is_sung_out_of_order_is_searched_where_it_is_and_not_between_its_neighbours_in_the_text():
    sung = GAP.join(["", LINES[1], LINES[0], LINES[2], ""])
    one, two = (truth((LINES[k],), sung) for k in (0, 1))
    three = truth((LINES[2],), sung)
    words = (*one.words, *(replace(w, line=1) for w in two.words), *(replace(w, line=2) for w in three.words))
    true = replace(truth(), words=words)
    wrong = with_times(true, [6, 7], 3000)
    found = again(wrong, [6, 7], sung)
    assert max(off_s(found, true)) < songs.FRAME_S
    # The head of the line that comes first, and the end of the one behind it, across the leap between them.
    wrong = with_times(with_times(true, [3, 4], 2000), [5, 6], 2000)
    found = again(wrong, [3, 4, 5, 6], sung)
    assert max(off_s(found, true)) < songs.FRAME_S


def test_the_rooms_are_those_between_sung_words_that_stay():
    true = truth()
    assert stretches(true, [6, 7]) == (Stretch((6, 7), true.words[5].end, true.words[8].start),)
    assert stretches(true, range(15)) == (Stretch(tuple(range(15)), 0, true.duration),)
    assert stretches(true, []) == ()


def test_from_a_corrected_word_it_is_searched_as_far_as_the_next_line_that_can_be_trusted():
    text = tuple(f"{a} {b}" for a, b in zip("abcdefg", "hijklmn", strict=True))
    true = truth(text, GAP.join(["", *text, ""]))
    unsure = replace(true, words=tuple(replace(w, confidence=0.3) if w.line in (2, 3, 5) else w for w in true.words))
    assert around(unsure, [6]) == {4, 5, 7}
    assert around(unsure, [8]) == {4, 5, 6, 7, 9, 10, 11}
    assert around(unsure, [8, 6]) == {4, 5, 7, 9, 10, 11}
    assert around(unsure, [8, 6, 7]) == {4, 5, 9, 10, 11}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_stays_stays_to_the_tick_and_whatever_moves_keeps_its_promises(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    clock = data.draw(st.sampled_from([SAMPLES, MILLISECONDS, Timebase(44100)]))
    true = truth(clock=clock)
    at = np.sort(rng.integers(0, true.duration, 15))
    words = [
        replace(w, start=int(t), end=int(min(t + rng.integers(0, true.duration // 20), true.duration)))
        for w, t in zip(true.words, at, strict=True)
    ]
    for i in data.draw(st.sets(st.integers(0, 14), max_size=5)):
        words[i] = replace(words[i], start=None, end=None, confidence=None)
    order = data.draw(st.permutations(range(3)))  # in which lines are sung
    shuffled = list(words)
    for line, turn in enumerate(order):
        for k in range(5):
            there = words[5 * turn + k]
            shuffled[5 * line + k] = replace(words[5 * line + k], start=there.start, end=there.end)
    wrong = replace(true, words=tuple(shuffled))
    wrong.check()
    free = data.draw(st.sets(st.integers(0, 14)))
    found = again(wrong, free)
    found.check()
    assert [w.text for w in found.words] == [w.text for w in wrong.words]
    rooms = {i: stretch for stretch in stretches(wrong, free) for i in stretch.words}
    for i, (before, after) in enumerate(zip(wrong.words, found.words, strict=True)):
        if i not in rooms:
            assert after == before
        elif after != before and not after.unsung:
            assert rooms[i].begin <= after.start <= after.end <= rooms[i].stop
        if before.start is not None:
            assert after.start is not None  # what is sung stays sung
