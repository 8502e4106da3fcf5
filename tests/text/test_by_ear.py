"""Words by ear: every phone has letters, and what nobody says has none."""

from __future__ import annotations

import pytest

from melisma.text import by_ear
from melisma.text.phones import INVENTORY, VOWELS


def test_every_phone_of_the_inventory_has_plain_letters():
    assert set(by_ear._LETTERS) == set(INVENTORY)
    assert all(letters.isascii() for letters in by_ear._LETTERS.values())
    assert all(by_ear._LETTERS[phone] for phone in INVENTORY if phone in VOWELS)


@pytest.mark.parametrize(
    ("word", "language", "wanted"),
    [("10", "en", "ten"), ("10", "fr", "dis"), ("10", "es", "dyeth"), ("10", "hr", "deset"), ("—", "en", "")],
)
def test_words_are_written_as_they_sound(word, language, wanted):
    assert by_ear.by_ear(word, language) == wanted


def test_a_language_without_a_voice_is_read_in_english():
    assert by_ear.by_ear("10", "mos") == "ten"
