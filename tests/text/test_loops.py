"""Phrases that go round."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from melisma.text.loops import LEAST, loops, most_rounds, rounds


@given(st.lists(st.sampled_from("abc"), max_size=40))
def test_a_loop_is_its_phrase_so_often_and_no_oftener(words):
    last = 0
    for at, length, times in loops(words):
        assert at >= last
        assert times >= LEAST
        phrase = words[at : at + length]
        assert words[at : at + length * times] == phrase * times
        assert words[at + length * times : at + length * (times + 1)] != phrase
        assert most_rounds(words, phrase) >= times
        last = at + length * times


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=5, unique=True), st.integers(LEAST, 9))
def test_a_planted_loop_is_found(phrase, times):
    words = ["<", *(phrase * times), ">"]
    assert loops(words) == [(1, len(phrase), times)]
    assert rounds(words, 0) == (1, 1)


def test_a_chorus_of_three_is_none():
    assert loops(["na", "na", "na", "hej", "hej", "hej"]) == []
    assert most_rounds(["na", "na", "na"], ["na"]) == 3
    assert most_rounds([], ["na"]) == 0
