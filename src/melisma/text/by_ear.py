"""Words as one would write them down by ear, in plain Latin letters: for numbers and signs, which have no letters."""

from __future__ import annotations

from functools import lru_cache

from melisma.core.errors import UnknownName
from melisma.text.g2p import EspeakG2P
from melisma.text.phones import INVENTORY

# Letters that a network which was taught spelling would most likely give a sound. Not measured.
_LETTERS = {
    "a": "a", "ɑ": "a", "ɐ": "a", "æ": "a", "e": "e", "ɛ": "e", "ə": "e", "ɚ": "er", "ɜ": "er", "i": "i", "ɪ": "i",
    "ɨ": "i", "o": "o", "ɔ": "o", "ø": "eu", "œ": "eu", "u": "u", "ʊ": "u", "ʌ": "u", "y": "u", "ɯ": "u",
    "p": "p", "b": "b", "t": "t", "d": "d", "k": "k", "ɡ": "g", "ʔ": "", "m": "m", "n": "n", "ŋ": "ng", "ɲ": "ny",
    "f": "f", "v": "v", "θ": "th", "ð": "th", "s": "s", "z": "z", "ʃ": "sh", "ʒ": "zh", "ç": "h", "x": "kh", "ɣ": "g",
    "h": "h", "ɕ": "sh", "j": "y", "w": "w", "l": "l", "r": "r", "ɾ": "r", "ɹ": "r",
}  # fmt: skip
_ANY_OTHER = "en"  # reads numbers in a language that no voice speaks


@lru_cache(maxsize=4096)
def by_ear(word: str, language: str) -> str:
    """Write a word as espeak-ng reads it aloud; in English where it does not speak the language.

    >>> by_ear("21", "en"), by_ear("2nd", "en"), by_ear("&", "en"), by_ear("—", "en")
    ('twentiwun', 'sekend', 'and', '')
    """
    g2p = EspeakG2P(INVENTORY)
    try:
        phones = g2p.phones(word, language)
    except UnknownName:
        phones = g2p.phones(word, _ANY_OTHER)
    return "".join(_LETTERS[phone] for phone in phones)
