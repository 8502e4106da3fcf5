"""Units and characters."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from melisma.core.errors import InputError
from melisma.units.motifs.alphabet import Alphabet, parts


@pytest.mark.parametrize("k", [1, 100, 6400, 6401, 65534])
def test_units_come_back_and_are_private_characters(k):
    units = np.array([0, k // 2, k - 1])
    text = Alphabet(k).text(units)
    assert Alphabet.units(text) == tuple(units.tolist())
    assert {unicodedata.category(character) for character in text} == {"Co"}
    assert {len(character.encode()) for character in text} == {3 if k <= 6400 else 4}


@pytest.mark.parametrize("k", [0, 65535])
def test_no_more_units_than_private_characters(k):
    with pytest.raises(InputError, match="1 to 65,534 kinds of units"):
        Alphabet(k)


@pytest.mark.parametrize("text", ["a", "\ue000 ", "\ufffd", "\U000ffffe", "\U00100000"])
def test_other_characters_are_no_units(text):
    with pytest.raises(InputError, match="stands for no unit"):
        Alphabet.units(text)


@pytest.mark.parametrize(("k", "of"), [(100, 100), (6400, 6400), (6401, 6401), (20000, 20000)])
def test_an_alphabet_is_told_from_its_characters(k, of):
    assert Alphabet.of(Alphabet(k).text(np.arange(k))) == Alphabet(of)


@pytest.mark.parametrize("n", [1, 9, 10, 11, 20, 21, 999])
def test_parts_are_the_whole_and_not_too_long(n):
    found = list(parts(np.arange(n), 10))
    assert np.concatenate(found).tolist() == list(range(n))
    assert max(map(len, found)) <= 10
    assert max(map(len, found)) - min(map(len, found)) <= 1
