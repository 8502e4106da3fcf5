"""Numerals of Croatian, Bosnian and Serbian, by hand and against num2words where that is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2words import num2words

from melisma.core.errors import InputError
from melisma.text.numerals import LARGEST, cardinal, ordinal, variant


@pytest.mark.parametrize(
    ("n", "hr", "bs", "sr"),
    [
        (0, "nula", "nula", "nula"),
        (2, "dva", "dva", "dva"),
        (14, "četrnaest", "četrnaest", "četrnaest"),
        (21, "dvadeset jedan", "dvadeset jedan", "dvadeset jedan"),
        (200, "dvjesto", "dvjesto", "dvesta"),
        (365, "tristo šezdeset pet", "tristo šezdeset pet", "trista šezdeset pet"),
        (1000, "tisuću", "hiljadu", "hiljadu"),
        (1001, "tisuću jedan", "hiljadu jedan", "hiljadu jedan"),
        (2000, "dvije tisuće", "dvije hiljade", "dve hiljade"),
        (5000, "pet tisuća", "pet hiljada", "pet hiljada"),
        (11_000, "jedanaest tisuća", "jedanaest hiljada", "jedanaest hiljada"),
        (21_000, "dvadeset jedna tisuća", "dvadeset jedna hiljada", "dvadeset jedna hiljada"),
        (22_000, "dvadeset dvije tisuće", "dvadeset dvije hiljade", "dvadeset dve hiljade"),
        (1_000_000, "milijun", "milion", "milion"),
        (2_000_000, "dva milijuna", "dva miliona", "dva miliona"),
        (5_000_000_000, "pet milijardi", "pet milijardi", "pet milijardi"),
        (2_000_000_000, "dvije milijarde", "dvije milijarde", "dve milijarde"),
        (-7, "minus sedam", "minus sedam", "minus sedam"),
    ],
)
def test_cardinals(n, hr, bs, sr):
    assert (cardinal(n, "hr"), cardinal(n, "bs"), cardinal(n, "sr")) == (hr, bs, sr)


@pytest.mark.parametrize(
    ("n", "feminine_hr", "feminine_sr", "neuter"),
    [
        (1, "jedna", "jedna", "jedno"),
        (2, "dvije", "dve", "dva"),
        (31, "trideset jedna", "trideset jedna", "trideset jedno"),
    ],
)
def test_one_and_two_have_a_gender(n, feminine_hr, feminine_sr, neuter):
    assert (cardinal(n, "hr", "f"), cardinal(n, "sr", "f"), cardinal(n, "hr", "n")) == (
        feminine_hr,
        feminine_sr,
        neuter,
    )


@pytest.mark.parametrize(
    ("n", "form", "hr", "sr"),
    [
        (1, ("m", "nom"), "prvi", "prvi"),
        (3, ("n", "gen"), "trećeg", "trećeg"),
        (7, ("f", "nom"), "sedma", "sedma"),
        (20, ("n", "nom"), "dvadeseto", "dvadeseto"),
        (40, ("m", "dat"), "četrdesetom", "četrdesetom"),
        (100, ("m", "nom"), "stoti", "stoti"),
        (105, ("m", "nom"), "sto peti", "sto peti"),
        (200, ("m", "nom"), "dvjestoti", "dvestoti"),
        (1000, ("f", "gen"), "tisućite", "hiljadite"),
        (2000, ("f", "gen"), "dvijetisućite", "dvehiljadite"),
        (2024, ("f", "gen"), "dvije tisuće dvadeset četvrte", "dve hiljade dvadeset četvrte"),
        (1914, ("f", "acc"), "tisuću devetsto četrnaestu", "hiljadu devetsto četrnaestu"),
        (1200, ("m", "nom"), "tisuću dvjestoti", "hiljadu dvestoti"),
        (1_000_000, ("m", "nom"), "milijunti", "milionti"),
    ],
)
def test_ordinals(n, form, hr, sr):
    assert (ordinal(n, "hr", *form), ordinal(n, "sr", *form)) == (hr, sr)


@given(st.integers(0, 999_999_999))
def test_serbian_is_what_num2words_says_but_for_four_words(n):
    """num2words counts "jedna hiljada", "jedan milion", and spells "četristo", "šesto"."""
    theirs = (
        num2words(n, lang="sr")
        .replace("jedan milion", "milion")
        .replace("četristo", "četiristo")
        .replace("šesto", "šeststo")
    )
    ours = cardinal(n, "sr")
    if n // 1000 % 1000 == 1:
        theirs = theirs.replace("jedna hiljada", "hiljadu")
    if n // 1_000_000 % 10 == 1 and n // 1_000_000 != 1:
        ours = ours.replace("jedan milion", "milion")
    assert ours == theirs


@given(st.integers(0, LARGEST), st.sampled_from(["hr", "bs", "sr"]))
def test_any_number_has_words_and_an_ordinal(n, language):
    for said in (cardinal(n, language), ordinal(n, language)):
        assert said == " ".join(said.split())
        assert said.replace(" ", "").isalpha()


def test_other_languages_and_larger_numbers_are_refused():
    assert variant("sr-Latn") == "sr"
    assert variant("cnr") == "bs"
    assert variant("sl") is None
    with pytest.raises(InputError, match="no words"):
        cardinal(LARGEST + 1, "hr")
    with pytest.raises(InputError, match="no ordinal"):
        ordinal(-1, "hr")
    with pytest.raises(InputError):
        cardinal(1, "sl")
