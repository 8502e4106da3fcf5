"""Words in the letters of a vocabulary: none of them is lost because a network was taught fewer letters."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Protocol

from melisma.text.by_ear import by_ear
from melisma.text.g2p import speakable

Romaniser = Callable[[str, str], str]

_APOSTROPHES = "'’‘ʼʻ`´"
# Latin letters that are no letter with an accent, as they are written where they are missing.
_WRITTEN = {
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h", "ı": "i", "ŋ": "ng",
    "ĸ": "k", "ſ": "s", "ŧ": "t", "ə": "e", "ɛ": "e", "ɔ": "o",
}  # fmt: skip
# What a Latin letter may be taken for where an alphabet lacks it, the likeliest first.
_NEAR = {
    "c": "ks", "d": "t", "f": "v", "g": "k", "h": "x", "j": "yi", "k": "cq", "p": "b", "q": "kc", "v": "wfb", "w": "vu",
    "x": "ks", "y": "ij", "z": "s", "a": "e", "e": "a", "i": "ye", "o": "u", "u": "ow", "b": "p", "s": "z", "t": "d",
    "l": "r", "r": "l", "m": "n", "n": "m",
}  # fmt: skip


class Speller(Protocol):
    """Words to the labels of a network."""

    def spell(self, word: str, language: str) -> Sequence[str]:
        """Return the labels of a word; none if nothing in it is spoken."""
        ...


class Letters:
    """Spells words.

    A word is written in the labels as it stands, in whatever case they have; accents that they lack are left out. Where
    a letter of another script is left over, the whole word is romanised; a word with a number or a sign that is spoken
    is written as it is read aloud in its language; and what Latin letters an alphabet does not have are written with
    those of its letters that are romanised so, or with the nearest.

    Parameters
    ----------
    labels : iterable of str
        Those that spell: no blank, no sign between words, no mark for padding.
    romanise : callable, optional
        A word and its language to lower-case Latin letters.
    always : bool
        Whether the network was taught romanised text only.
    """

    def __init__(self, labels: Iterable[str], romanise: Romaniser | None = None, always: bool = False) -> None:
        self._labels = frozenset(labels)
        self._longest = max(map(len, self._labels), default=1)
        self._romanise = romanise
        self._always = always

    def spell(self, word: str, language: str) -> tuple[str, ...]:
        """Return the labels of a word; none if nothing in it is spoken, or no label comes near to what is."""
        return tuple(label for part in speakable(word).split() for label in self._part(part, language))

    def _part(self, text: str, language: str) -> Sequence[str]:
        if any(self._is_read(char) for char in text):
            text = by_ear(text, language)
        latin = self._romanise(text, language) if self._romanise and self._always else text
        direct = self._write(latin)
        if direct is not None:
            return direct
        if self._romanise and not self._always:
            latin = self._romanise(text, language)
        return self._write(latin) or self._respell(latin.lower()) or self._respell(by_ear(text, language))

    def _is_read(self, char: str) -> bool:
        """Whether a character is a number or a sign that has to be read aloud."""
        category = unicodedata.category(char)
        return (category[0] == "S" or category in ("Nd", "No") or char in "&%@#§") and char not in self._labels

    def _write(self, text: str) -> list[str] | None:
        """Write a text in the labels, the longest first; None if a letter is left over."""
        out: list[str] = []
        at = 0
        while at < len(text):
            length, labels = self._at(text, at)
            if labels is None:
                if unicodedata.category(text[at])[0] in "LN":
                    return None
                labels = ()  # an apostrophe, a hyphen or a mark that the network knows nothing of
            out += labels
            at += length
        return out

    def _at(self, text: str, at: int) -> tuple[int, Sequence[str] | None]:
        """Return how many characters the labels at a place of a text stand for, and these; None if there are none."""
        for length in range(min(self._longest, len(text) - at), 0, -1):
            piece = text[at : at + length]
            for form in (piece, piece.lower(), piece.upper()):
                if form in self._labels:
                    return length, (form,)
        for form in _forms(text[at]):
            if form and all(char in self._labels for char in form):
                return 1, tuple(form)
        return 1, None

    def _respell(self, latin: str) -> list[str]:
        """Write Latin letters with the labels that are romanised so, then with those near to them."""
        out: list[str] = []
        at = 0
        while at < len(latin):
            for length in range(min(4, len(latin) - at), 0, -1):
                found = self._sounds.get(latin[at : at + length])
                if found is not None:
                    break
            else:
                length = 1
                near = (self._sounds.get(letter) for letter in _NEAR.get(latin[at], ""))
                found = next((label for label in near if label is not None), None)
            out += () if found is None else (found,)
            at += length
        return out

    @cached_property
    def _sounds(self) -> dict[str, str]:
        """Labels by how they are romanised, plain letters before those with accents."""
        out: dict[str, str] = {}
        for label in sorted(self._labels, key=lambda label: (not label.isascii(), label)):
            latin = self._romanise(label, "und") if self._romanise else label.lower()
            if latin.isalpha() and latin.isascii():
                out.setdefault(latin, label)
        return out


def _forms(char: str) -> list[str]:
    """Return how else a character may be written, the nearest first."""
    if char in _APOSTROPHES:
        return list(_APOSTROPHES)
    lower = char.lower()
    bare = "".join(c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c))
    written = "".join(_WRITTEN.get(c, c) for c in bare)
    spelt = [unicodedata.normalize("NFD", char), unicodedata.normalize("NFD", lower), bare, written]
    return [*spelt, *(form.upper() for form in spelt)]
