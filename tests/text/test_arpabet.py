"""Phones of the inventory as CMU's dictionary writes them."""

from __future__ import annotations

import pytest

from melisma.text import arpabet
from melisma.text.g2p import EspeakG2P
from melisma.text.phones import INVENTORY

# The 39 phones of CMU's dictionary.
CMU = {
    *("AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH"),
    *("K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
}


def test_every_label_has_a_phone_and_every_phone_is_one_of_cmus():
    assert all(arpabet.from_labels([label]) for label in INVENTORY)
    assert arpabet.PHONES == CMU


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("joyful", "JH OY F AH L"),
        ("church", "CH ER CH"),
        ("house", "HH AW S"),
        ("night", "N AY T"),
        ("going", "G OW IH NG"),
        ("measure", "M EH ZH ER"),
        ("thought", "TH AO T"),
        ("butter", "B AH T ER"),
        ("door", "D AO R"),
    ],
)
def test_words_as_espeak_says_them(word, phones):
    assert " ".join(arpabet.from_labels(EspeakG2P().phones(word, "en"))) == phones


def test_a_label_of_no_inventory_is_refused():
    with pytest.raises(KeyError, match="ʘ"):
        arpabet.from_labels(["t", "ʘ"])
