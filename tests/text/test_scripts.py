"""Scripts of letters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.text.scripts import count, script_of

NAMED = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "HEBREW", "DEVANAGARI", "THAI", "HANGUL", "GEORGIAN"}


@given(st.characters(categories=("Lu", "Ll", "Lo"), max_codepoint=0xFFFF))
def test_a_script_is_the_one_in_the_letter_s_name(char: str) -> None:
    found = script_of(char)
    named = unicodedata.name(char, "").split(" ")[0]
    if found is not None and named in NAMED:
        assert found == named.lower()


@pytest.mark.parametrize("char", ["1", " ", "-", "♪", "🎵", "\u0301"])
def test_what_is_no_letter_has_none(char: str) -> None:
    assert script_of(char) is None


def test_letters_are_counted_by_script() -> None:
    assert count("Ža ба の 1!") == {"latin": 2, "cyrillic": 2, "kana": 1}
