"""Spellings that compare: one form for what people and transcribers write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.text.spellings import pieces


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Élan", "elan"),
        ("J’ai", "j'ai"),
        ("j'ai,", "« J'ai »"),
        ("cœur", "coeur"),
        ("straße", "STRASSE"),
        ("đak", "dak"),
        ("naïve…", "naive"),
        ("Ёлка", "елка"),
        ("là-bas", "Là‐bas!"),
        ("gonna", "going-to".replace("-", "")),
        ("C'mon", "comeon"),
        ("’cause", "because"),
        ("①", "1"),
        ("ｗｉｄｅ", "wide"),
        ("so\u00adft", "soft"),
    ],
)
def test_spellings_of_one_word_are_one(one, other):
    assert pieces(one) == pieces(other) != ()


@pytest.mark.parametrize(("one", "other"), [("mer", "mur"), ("がく", "かく"), ("का", "कि"), ("7", "8")])
def test_other_words_stay_others(one, other):
    assert pieces(one) != pieces(other)


@pytest.mark.parametrize("silent", ["♪", "—", "…", "", " ", "\u200b", "?!"])
def test_what_has_no_letter_has_no_piece(silent):
    assert pieces(silent) == ()


def test_unspaced_scripts_are_cut_into_characters():
    assert pieces("ABC君が") == ("abc", "君", "が")
    assert pieces("한국어") == ("한국어",)


@given(st.text(max_size=40))
def test_pieces_hold_no_space_and_no_mark_and_stay_as_they_are(text):
    for piece in pieces(text):
        assert piece
        assert not any(char.isspace() for char in piece)
