"""When two spellings are one word: what people write and what a transcriber writes, brought to one form."""

from __future__ import annotations

import re
import unicodedata

from melisma.text.characters import visible
from melisma.text.scripts import script_of

# Scripts that put no space between words: each of their characters compares by itself.
_UNSPACED = frozenset({"han", "kana", "thai", "lao", "khmer", "myanmar", "tibetan"})
_MARKS = re.compile("[\u0300-\u036f]+")  # accents of Latin, Greek and Cyrillic; elsewhere marks are vowels
# Letters that Unicode does not take apart but writers leave out.
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "ı": "i", "ð": "d", "þ": "th"})
_HYPHENS = re.compile("[-‐‑‒–—―/_]+")
# Spoken forms whose letters are far from those of the words that they stand for (near ones match by themselves).
# Sources: the English and French entries of Wiktionary's categories of contractions and relaxed pronunciations.
_SPOKEN = {
    "gonna": "goingto",
    "wanna": "wantto",
    "gotta": "gotto",
    "gimme": "giveme",
    "lemme": "letme",
    "dunno": "dontknow",
    "kinda": "kindof",
    "sorta": "sortof",
    "outta": "outof",
    "lotta": "lotof",
    "imma": "imgoingto",
    "ima": "imgoingto",
    "finna": "fixingto",
    "tryna": "tryingto",
    "hafta": "haveto",
    "oughta": "oughtto",
    "whatcha": "whatareyou",
    "betcha": "betyou",
    "gotcha": "gotyou",
    "cmon": "comeon",
    "cuz": "because",
    "cos": "because",
    "coz": "because",
    "cause": "because",
    "em": "them",
    "ok": "okay",
    "til": "until",
    "chuis": "jesuis",
    "chui": "jesuis",
    "chais": "jesais",
    "chsais": "jesais",
    "ptet": "peutetre",
}


def pieces(text: str) -> tuple[str, ...]:
    """Cut a word into what compares by itself: at spaces and hyphens, and at every character of unspaced scripts.

    >>> pieces("là-bas!"), pieces("J’ai"), pieces("君が好き"), pieces("♪")
    (('la', 'bas'), ('jai',), ('君', 'が', '好', 'き'), ())
    """
    found: list[str] = []
    for part in _HYPHENS.sub(" ", visible(text)).split():
        run = ""
        for char in _folded(part):
            if script_of(char) not in _UNSPACED:
                run += char
                continue
            if run:
                found.append(run)
            found.append(char)
            run = ""
        if run:
            found.append(run)
    return tuple(_SPOKEN.get(piece, piece) for piece in found)


def _folded(text: str) -> str:
    """Return letters and digits alone, in lower case, without accents."""
    lower = text.casefold().translate(_LETTERS)
    plain = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFKD", lower)))
    return "".join(char for char in plain if unicodedata.category(char)[0] in "LNM")
