from __future__ import annotations

import json
import os
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.text import espeak, phones
from melisma.text.phones import INVENTORY, NEUTRAL, distance, nearest, split, to_labels

SHARED = Path(os.environ.get("MELISMA_SHARED", Path(__file__).parents[3] / "shared"))
KNOWN = sorted({*phones._VOWELS, *phones._CONSONANTS})
# Letters of many alphabets, digits and names: what makes each voice say as many of its sounds as short words can.
WORDS = [
    *("mama", "papa", "thrush", "queen", "jump", "zebra", "box", "vision", "chien", "garçon", "über", "façade", "žena"),
    *("čovjek", "łódź", "schön", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "100"),
    *"őűğşıøåæþðñţăēķŋħġơưđạxyz",
]


def test_the_inventory_names_each_phone_once_and_knows_it():
    assert len(set(INVENTORY)) == len(INVENTORY)
    assert set(INVENTORY) <= set(KNOWN)


def test_nothing_is_both_vowel_and_consonant():
    assert not set(phones._VOWELS) & set(phones._CONSONANTS)


def unknown_in(spoken: set[str]) -> set[str]:
    """Symbols of IPA strings that no table knows; each would pass for the neutral vowel unseen."""
    return {phone for ipa in spoken for phone in split(ipa)} - set(KNOWN)


def test_every_symbol_of_every_language_is_known():
    spoken = {espeak.ipa(word, code) for code in espeak.languages() for word in WORDS}
    assert unknown_in(spoken) == set()


@pytest.mark.skipif(not (SHARED / "corpus" / "manifest.jsonl").is_file(), reason="needs the shared corpus")
def test_every_symbol_of_the_corpus_is_known():
    per_language: dict[str, list[str]] = {}
    with (SHARED / "corpus" / "manifest.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            per_language.setdefault(row["language"], []).append(row["transcript"])
    spoken = {espeak.ipa(text, code) for code, texts in per_language.items() for text in texts[:40]}
    assert len(spoken) > 1500
    assert unknown_in(spoken) == set()


@given(st.sampled_from(KNOWN), st.sampled_from(KNOWN))
def test_distance_is_symmetric_and_zero_only_for_the_same(a, b):
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert 0 <= distance(a, b) <= 20


def test_a_vowel_is_nearer_to_any_vowel_than_to_a_consonant():
    for phone in KNOWN:
        alike = phones._VOWELS if phone in phones._VOWELS else phones._CONSONANTS
        assert max(distance(phone, other) for other in alike) < 20


@pytest.mark.parametrize(
    ("phone", "label"),
    [
        *(("ɖ", "d"), ("ʈ", "t"), ("c", "k"), ("q", "k"), ("ɢ", "ɡ"), ("g", "ɡ"), ("ɓ", "b"), ("ɗ", "d")),
        *(("ɱ", "m"), ("ɳ", "n"), ("ɴ", "ŋ"), ("ʁ", "r"), ("ʀ", "r"), ("ɽ", "ɾ"), ("ɻ", "ɹ")),
        *(("ʂ", "ʃ"), ("ʐ", "ʒ"), ("ʑ", "ʒ"), ("χ", "x"), ("ħ", "h"), ("ɦ", "h"), ("ʋ", "v"), ("ɸ", "f")),
        *(("ʎ", "l"), ("ɫ", "l"), ("ɭ", "l"), ("ɥ", "j"), ("ʍ", "w")),
        *(("ʏ", "ɪ"), ("ᵻ", "ɪ"), ("ʉ", "ɨ"), ("ɵ", "o"), ("ɤ", "o"), ("ɒ", "ɑ"), ("ɝ", "ɚ"), ("ɶ", "a")),
    ],
)
def test_a_phone_outside_the_inventory_goes_to_the_label_that_sounds_like_it(phone, label):
    assert nearest(phone) == label


@given(st.sampled_from(KNOWN), st.sets(st.sampled_from(KNOWN), min_size=1, max_size=6))
def test_nearest_is_the_label_of_least_distance(phone, labels):
    offered = tuple(sorted(labels))
    chosen = nearest(phone, offered)
    assert chosen in offered
    assert distance(phone, chosen) == min(distance(phone, label) for label in offered)


@pytest.mark.parametrize("phone", INVENTORY)
def test_a_label_stands_for_itself(phone):
    assert nearest(phone) == phone


def test_a_symbol_that_no_table_knows_is_the_most_neutral_vowel():
    assert nearest("☃") == NEUTRAL
    assert nearest("☃", ("a", "k", "ɐ")) == "ɐ"


@pytest.mark.parametrize(
    ("ipa", "expected"),
    [
        ("ˈʒˌuː", "ʒu"),  # stress and length
        ("ã ẽ ɔ̃ n̩ t̪ ä", "aeɔnta"),  # diacritics, composed or not
        ("n_i2_χ_ˈɑu2_", "niχɑu"),  # tones, separators
        ("tʲ kʷ pʰ ɯᵝ əl", "tkpɯəl"),  # secondary articulations
        ("ʃ͡t t͜s", "ʃtts"),  # ties
        ("ʦʧʤ", "tstʃdʒ"),  # one character, two sounds
        ("ç c\u0327", "çç"),
        ("SZN", "ʃʒŋ"),  # espeak-ng's mnemonics
        ("dε", "dɛ"),  # a Greek letter in Danish
        ("", ""),
        (" _ˈː5", ""),
    ],
)
def test_split_keeps_one_base_symbol_a_phone(ipa, expected):
    assert "".join(split(ipa)) == expected


@given(st.text())
def test_every_phone_of_any_string_gives_exactly_one_label(text):
    assert [nearest(phone) for phone in split(text)] == list(to_labels(text))
    assert set(to_labels(text)) <= set(INVENTORY)


@given(st.text(st.sampled_from([*KNOWN, "ˈ", "ː", "_", " ", "\u0303"]), max_size=30))
def test_no_known_phone_vanishes(text):
    # In canonical form: ç is one symbol, and no other base symbol decomposes into two.
    bases = [char for char in unicodedata.normalize("NFD", text.replace("ç", "C")) if char in KNOWN or char == "C"]
    assert len(split(text)) == len(bases)


@given(st.lists(st.sampled_from(KNOWN), max_size=6), st.lists(st.sampled_from(KNOWN), max_size=6))
def test_words_are_spelt_independently(a, b):
    first, second = "".join(a), "".join(b)
    assert to_labels(first + " " + second) == to_labels(first) + to_labels(second)


def test_vowel_height_orders_the_distances():
    heights = ["i", "e", "ɛ", "a"]
    far = [distance("i", vowel) for vowel in heights]
    assert all(x < y for x, y in pairwise(far))
