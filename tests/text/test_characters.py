"""Characters that nobody sees or sings."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.text.characters import has_surrogate, visible, without_notes


@pytest.mark.parametrize("char", ["\ufeff", "\u200b", "\u200d", "\xad", "\u202e", "\u2066", "\ufe0f", "\x07", "\u3164"])
def test_invisible_characters(char: str) -> None:
    assert visible(f"a{char}b") == "ab"


@given(st.characters(categories=("L", "N", "P", "S"), exclude_characters="\u115f\u1160\u3164\uffa0"))
def test_letters_numbers_and_signs_are_visible(char: str) -> None:
    if unicodedata.category(char) != "Cn":
        assert visible(char) == char


@pytest.mark.parametrize(
    ("word", "left"),
    [("♪", ""), ("♪♫hi♪", "hi"), ("🎵\ufe0f", ""), ("a♪b", "a♪b"), ("❤\ufe0f♪", "❤\ufe0f"), ("#1", "#1")],
)
def test_notes_go_from_the_edges(word: str, left: str) -> None:
    assert without_notes(word) == left


def test_half_characters_are_seen() -> None:
    assert has_surrogate("a\ud800")
    assert not has_surrogate("a🎵")
