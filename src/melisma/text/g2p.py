"""Words to phones, one word at a time, behind a protocol: espeak-ng today, another G2P tomorrow."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Protocol

from melisma.text import espeak
from melisma.text.phones import INVENTORY, to_labels

# Symbols that people sing as a word: espeak-ng reads them out. All other symbols (emoji, quotes, notes) are silent.
_SPOKEN_SYMBOLS = frozenset("&%+=$€£¥°@#§½¼¾²³")
_JOINERS = {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "＇": "'", "‐": "-", "‑": "-", "–": "-", "—": "-"}


class G2P(Protocol):
    """Grapheme to phoneme: a word in, labels of a model out."""

    def phones(self, word: str, language: str) -> tuple[str, ...]:
        """Return the phones of one word; an empty tuple if it has no sound of its own."""
        ...


def speakable(word: str) -> str:
    """Strip a word of what is not read aloud: emoji, quotes, brackets, notes, invisible characters.

    >>> speakable("(l’amour,🎵"), speakable("—"), speakable("rock'n'roll!")
    ("l'amour", '', "rock'n'roll")
    """
    kept: list[str] = []
    for char in unicodedata.normalize("NFC", word):
        char = _JOINERS.get(char, char)
        if char in "'-" or char in _SPOKEN_SYMBOLS or unicodedata.category(char)[0] in "LMN":
            kept.append(char)
        elif kept and kept[-1] != " " and unicodedata.category(char)[0] in "PZ":
            # Words that stand together without a space, such as "one,two", are read as two.
            kept.append(" ")
    # A word between quotes or with a dash at its end is the word; inner apostrophes and hyphens carry sound.
    text = "".join(kept).strip(" -")
    return text if any(unicodedata.category(c)[0] in "LN" or c in _SPOKEN_SYMBOLS for c in text) else ""


@lru_cache(maxsize=65536)
def _labels(text: str, voice: str, inventory: tuple[str, ...]) -> tuple[str, ...]:
    return to_labels(espeak.ipa(text, voice), inventory)


class EspeakG2P:
    """G2P by espeak-ng's rules and dictionaries, per word, cached; numbers are read out."""

    def __init__(self, inventory: tuple[str, ...] = INVENTORY) -> None:
        self.inventory = inventory

    def phones(self, word: str, language: str) -> tuple[str, ...]:
        """Return the phones of one word in the labels of the inventory.

        Raises
        ------
        UnknownName
            If espeak-ng has no voice for the language.
        """
        text = speakable(word)
        if not text:
            return ()
        if text.isupper() and len(text) > 1 and not any(c.isdigit() for c in text):
            # espeak-ng spells words in capitals out where it takes them for initials; lyrics shout instead.
            text = text.lower()
        return _labels(text, espeak.voice_code(language), self.inventory)
