from __future__ import annotations

import pytest

from melisma.text.yat import EKAVIAN, IJEKAVIAN, IKAVIAN, MIXED, count, guess, variant_kinds


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Lijepa naša domovino, o junačka zemljo mila, stare slave djedovino; uvijek ti, gdje god", IJEKAVIAN),
        ("Ти си девојка лепа као бела ружа", EKAVIAN),
        ("Lepo je bilo leto, gde si sada", EKAVIAN),
        ("Divojka lipa, dica i čovik, uvik misto", IKAVIAN),
        ("Gde je lijepa djevojka, uvek", MIXED),
        ("LJETO I DJECA", IJEKAVIAN),
        ("rekao je da je bila lipa, i pisma u svetu leta", None),
        ("", None),
    ],
)
def test_a_pronunciation_is_heard_in_the_words_that_tell_it(text, kind):
    assert guess(count(text)) == kind


def test_decomposed_letters_are_the_same_letters():
    assert count("c\u030covjek") == count("čovjek") != {}


@pytest.mark.parametrize(
    ("said", "heard", "kinds"),
    [
        ("mlijeko", "mleko", (IJEKAVIAN, EKAVIAN)),
        ("mleko", "mlijeko", (EKAVIAN, IJEKAVIAN)),
        ("mliko", "mlijeko", (IKAVIAN, IJEKAVIAN)),
        ("nježnost", "nežnost", (IJEKAVIAN, EKAVIAN)),  # by the rule, not by the table
        ("odjeća", "odeća", (IJEKAVIAN, EKAVIAN)),
        ("htio", "hteo", (IJEKAVIAN, EKAVIAN)),
        ("prije", "pre", (IJEKAVIAN, EKAVIAN)),
    ],
)
def test_two_words_that_differ_in_yat_alone(said, heard, kinds):
    assert variant_kinds(said, heard) == kinds


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("nije", "ne"),
        ("marije", "mare"),
        ("njega", "nega"),
        ("mlijeko", "mljeko"),  # a mistake in spelling, in one pronunciation
        ("mlijeko", "mleku"),
        ("mlijeko", "mlijeko"),
        ("jedan", "edan"),
        ("", "e"),
        ("mleko", "reka"),
    ],
)
def test_two_words_that_differ_otherwise(said, heard):
    assert variant_kinds(said, heard) is None
