"""Words in the letters of a vocabulary: case, accents, scripts, numbers; nothing that is sung is lost."""

from __future__ import annotations

import pytest

from melisma.text import romanise
from melisma.text.letters import Letters

LOWER = "abcdefghijklmnopqrstuvwxyz'"
RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
needs_uroman = pytest.mark.skipif(not romanise.installed(), reason="uroman is not installed")


def spelt(letters: Letters, word: str, language: str = "en") -> str:
    return "".join(letters.spell(word, language))


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("Love", "love"),
        ("LOVE!", "love"),
        ("Été,", "ete"),
        ("l’amour", "l'amour"),
        ("rock‘n’roll", "rock'n'roll"),
        ("naïve", "naive"),
        ("straße", "strasse"),
        ("œuf", "oeuf"),
        ("Łódź", "lodz"),
        ("Đorđe", "dorde"),
        ("ＬＯＶＥ", "love"),
        ("ﬁn", "fin"),
        ("a-ha", "aha"),
        ("e\u0301te\u0301", "ete"),
        ("Ⅳ", "iv"),
        ("İ", "i"),
    ],
)
def test_words_are_written_as_they_stand_in_letters_that_there_are(word, wanted):
    assert spelt(Letters(LOWER), word) == wanted
    assert spelt(Letters(LOWER.upper()), word) == wanted.upper()


@pytest.mark.parametrize("word", ["…", "♪", "—", "“”", "", "😀", "\u200b"])
def test_what_nobody_sings_gives_nothing(word):
    assert spelt(Letters(LOWER), word) == ""


def test_letters_of_the_vocabulary_come_before_what_they_are_made_of():
    french = Letters("abcdefghijklmnopqrstuvwxyzéèàçœ'-")
    assert spelt(french, "Été") == "été"
    assert spelt(french, "cœur") == "cœur"
    assert spelt(french, "peut-être") == "peut-etre"
    assert Letters(("l", "’", "a")).spell("l'a", "fr") == ("l", "’", "a")
    assert Letters(("e", "\u0301", "t")).spell("été", "fr") == ("e", "\u0301", "t", "e", "\u0301")


def test_labels_of_two_letters_come_before_those_of_one():
    assert Letters(("c", "h", "ch", "a")).spell("chac", "en") == ("ch", "a", "c")


@pytest.mark.parametrize(
    ("word", "language", "wanted"),
    [
        ("2", "en", "tu"),
        ("2", "fr", "deu"),
        ("2nd", "en", "sekend"),
        ("21", "de", "ainunttsvantsih"),
        ("&", "en", "and"),
        ("%", "en", "persent"),
        ("½", "en", "ahaf"),
        ("２", "en", "tu"),
    ],
)
def test_numbers_and_signs_are_written_as_they_are_read(word, language, wanted):
    assert spelt(Letters(LOWER), word, language) == wanted


def test_a_number_in_a_language_without_a_voice_is_read_in_english():
    assert spelt(Letters(LOWER), "2", "mos") == "tu"


def test_digits_that_are_labels_stay():
    assert spelt(Letters(LOWER + "0123456789"), "R2D2") == "r2d2"


def test_a_script_that_cannot_be_written_is_written_by_ear():
    assert spelt(Letters(LOWER), "Привет", "ru").startswith("pri")


@needs_uroman
@pytest.mark.parametrize(
    ("word", "language", "wanted"),
    [("Привет", "ru", "privet"), ("αγάπη", "el", "agape"), ("さくら", "ja", "sakura"), ("사랑", "ko", "sarang")],
)
def test_a_script_that_cannot_be_written_is_romanised(word, language, wanted):
    assert spelt(Letters(LOWER, romanise.romanise), word, language) == wanted
    assert spelt(Letters(LOWER, romanise.romanise, always=True), word, language) == wanted


@needs_uroman
@pytest.mark.parametrize(("word", "wanted"), [("love", "лове"), ("2", "два"), ("Ёлка", "елка"), ("wow", "вов")])
def test_latin_letters_are_written_with_those_that_are_romanised_so(word, wanted):
    assert spelt(Letters(RUSSIAN, romanise.romanise), word, "ru") == wanted


def test_a_letter_that_an_alphabet_lacks_gives_one_near_to_it():
    assert spelt(Letters("abcdefghilmnopqrstuvz"), "Wake", "it") == "vace"


def test_no_word_with_letters_or_digits_is_lost():
    for alphabet in (LOWER, LOWER.upper(), "aeioukstnmlr"):
        letters = Letters(alphabet)
        for word in ("brrr", "21", "Жизнь", "R&B", "愛", "ไทย", "שלום", "x", "$5", "é", "ß", "ŋ", "3e"):
            spelling = letters.spell(word, "en")
            assert spelling, (alphabet, word)
            assert set(spelling) <= set(alphabet)
