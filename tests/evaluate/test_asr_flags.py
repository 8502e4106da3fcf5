"""Signs of hallucination: each is set by what it names, and by nothing that speech does."""

from __future__ import annotations

import pytest

from melisma.evaluate.asr_flags import LOOP, NOTHING_SAID, SILENCE, TOO_FAST, TOO_LONG, USUAL_LINE, flags

SAID = ["noćas", "mi", "je", "gradom", "hladan", "vjetar", "šapuće"]


def test_what_was_said_is_none():
    assert flags(SAID, SAID, 4.0) == []
    assert flags(SAID, [], 4.0, silent=True) == []
    assert flags([], [], 4.0) == []


@pytest.mark.parametrize(
    ("reference", "hypothesis", "seconds", "wanted"),
    [
        ([], ["hvala"], 3.0, [NOTHING_SAID]),
        (SAID, [*SAID, *["a", "bi", "se", "to", "još", "moglo", "dogoditi", "opet"], "evo"], 9.0, [TOO_LONG]),
        (SAID, ["neizgovorljivo", "predugačko", "objašnjenje", "svega"], 0.5, [TOO_FAST]),
        (SAID, [*SAID[:3], *["la"] * 4], 4.0, [LOOP]),
        (SAID, [*SAID, *["hvala", "na", "gledanju"]], 4.0, [USUAL_LINE]),
        (SAID, [*SAID, "titlove", "preveo", "netko"], 4.0, [USUAL_LINE]),
    ],
)
def test_each_sign(reference, hypothesis, seconds, wanted):
    assert flags(reference, hypothesis, seconds) == wanted


def test_words_over_silence():
    assert flags(SAID, SAID, 4.0, silent=True) == [SILENCE]


def test_a_chorus_that_goes_round_is_sung():
    chorus = ["la"] * 8
    assert flags(chorus, chorus, 4.0) == []
    assert flags(chorus, [*chorus, "la"], 4.0) == [LOOP]


def test_a_usual_line_that_was_said_is_none():
    words = ["hvala", "na", "gledanju"]
    assert flags(words, words, 3.0) == []


def test_one_word_heard_as_three_is_no_length():
    assert flags(["nekako"], ["ne", "ka", "ko"], 2.0) == []


def test_fast_speech_that_was_said_is_not_too_fast():
    words = ["neizgovorljivo", "predugačko", "objašnjenje", "svega"]
    assert flags(words, words, 0.5) == []
