"""Sounds that singers hum and spellings that they stretch: what letters mean where no dictionary has the word."""

from __future__ import annotations

import re

# Hummed or hissed words of Latin letters without a vowel, which espeak-ng would spell out ("em em em").
_HUMS = re.compile(r"h*m{2,}|h+m+|m+h+m+|n{2,}|s+h{2,}|p+s+t+|p+s{2,}|t+s+k+|b+r{2,}|g+r{2,}|z{2,}|s{3,}|p+f{2,}t*")
_SOUNDS = {"sh": "ʃ", "g": "ɡ"}
_SOUND = re.compile(r"sh|[a-z]")
# Latin, Greek and Cyrillic: elsewhere a letter is a syllable, and 하하하 and 哈哈哈 are laughed in full.
_RUN = re.compile(r"([A-Za-zÀ-ɏͰ-ԯḀ-ỿ])\1{2,}")


def hummed(word: str) -> str | None:
    """Return the IPA of a word without vowels that is hummed or hissed, or None for any other word.

    >>> hummed("mmm"), hummed("Shhh"), hummed("brrr"), hummed("mum"), hummed("prst")
    ('m', 'ʃ', 'br', None, None)
    """
    lower = word.lower()
    if not _HUMS.fullmatch(lower):
        return None
    once = re.sub(r"(.)\1+", r"\1", lower)
    return "".join(_SOUNDS.get(sound, sound) for sound in _SOUND.findall(once))


def shortened(word: str) -> str:
    """Write a letter that stands three times or more as a dictionary would: a held vowel is still one vowel.

    Doubled are an o at the beginning, an e at either end and a word of one letter, since one alone is another sound.

    >>> shortened("loooove"), shortened("Nooooo"), shortened("yeeeah"), shortened("ooooh"), shortened("freeee")
    ('love', 'No', 'yeah', 'ooh', 'free')
    """

    def once(run: re.Match[str]) -> str:
        letter, first, last = run[1], run.start() == 0, run.end() == len(word)
        double = (first and letter in "oOeE") or (last and letter in "eE") or (first and last and letter not in "iI")
        return letter * (2 if double else 1)

    return _RUN.sub(once, word)
