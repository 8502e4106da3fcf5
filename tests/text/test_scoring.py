"""What is compared of a transcript."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.errors import UnknownName
from melisma.text.scoring import VIEWS, folded, normalised, raw, view
from melisma.text.transliterate import to_cyrillic

TEXTS = st.text(st.sampled_from("aČžљЊ.,!?-'’_\u200b\u0301 \n„“3İıßﬁ[]()&%"), max_size=20)


@given(TEXTS, st.sampled_from(["hr", "sr", "en", "tr", "und"]), st.sampled_from(VIEWS))
def test_a_text_seen_twice_is_seen_the_same(text, language, name):
    once = view(text, language, name)
    assert view(once, language, name) == once
    assert once == " ".join(once.split())


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("Što? NE!", "hr", "što ne"),
        ("s\u030cto", "hr", "što"),
        ("ǉubav", "hr", "ljubav"),
        ("[Glazba] idemo", "hr", "glazba idemo"),
        ("DIYARBAKIR İL", "tr", "dıyarbakır il"),
        ("l’amour -- c'est", "fr", "l'amour c'est"),
        ("Љубав!", "sr", "љубав"),
        ("İ-3", "hr", "i̇ 3"),
        ("0'_", "hr", "0"),
        ("a-'_b", "hr", "a b"),
        ("5 %", "de", "5 prozent"),
    ],
)
def test_normalised(text, language, wanted):
    assert normalised(text, language) == wanted


def test_raw_keeps_case_punctuation_and_script():
    assert raw(" Љубав,\n Ne! ") == "Љубав, Ne!"


def test_scripts_are_folded_and_diacritics_are_not():
    text = "Đak i njegova injekcija: džep, čaša, šuma"
    assert folded(to_cyrillic(text), "sr") == folded(text, "hr") == "đak i njegova injekcija džep čaša šuma"
    assert folded("casa", "hr") != folded("čaša", "hr")


def test_numbers_are_written_out_on_request():
    assert normalised("21 žena", "hr") == "21 žena"
    assert normalised("21 žena", "hr", numbers=True) == "dvadeset jedna žena"


def test_there_is_no_other_view():
    with pytest.raises(UnknownName, match="view"):
        view("a", "hr", "shouted")
