"""Letters that went wrong on the way: UTF-8 read as something else, and letters of another script that look alike."""

from __future__ import annotations

import re
from collections import Counter

from melisma.text.scripts import script_of

# What the first byte of a letter in two bytes (č, ž, é, д …) becomes where UTF-8 is read as one of these.
_SUSPECT = re.compile("[\u00c2-\u00c5\u00c8\u00d0-\u00d1\u00e2\u0102\u0139\u0106\u0110\u0143]")
_READ_AS = ("cp1250", "cp1252", "latin-1")
_CHUNK = re.compile(r"\S+")


def unmangled(text: str) -> str:
    """Read text again that was UTF-8 and was read as Windows-1250, Windows-1252 or Latin-1, whole or by the word.

    Nothing is touched that is no valid UTF-8 in the encoding that it is read as: *Ä*, *Ă* and *Â* by themselves stay.

    >>> unmangled("Å½ena piÅ¡e, Ä‡uti: Ñ‚Ð¸Ñˆ"), unmangled("Ángel Ärger Ć")
    ('Žena piše, ćuti: тиш', 'Ángel Ärger Ć')
    """
    if not _SUSPECT.search(text):
        return text
    for encoding in _READ_AS:
        found = _again(text, encoding)
        if found is not None:
            return found
    return _CHUNK.sub(lambda chunk: _chunk(chunk[0]), text)


def _chunk(word: str) -> str:
    if not _SUSPECT.search(word):
        return word
    return next((found for found in (_again(word, encoding) for encoding in _READ_AS) if found is not None), word)


def _again(text: str, encoding: str) -> str | None:
    """Encode as it was read and decode as UTF-8; bytes that the encoding leaves undefined are read as they are."""
    out = bytearray()
    for char in text:
        try:
            out += char.encode(encoding)
        except UnicodeEncodeError:
            if ord(char) > 0xFF:
                return None
            out.append(ord(char))
    try:
        found = out.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return found if found != text and not re.search("[\x80-\x9f]", found) else None


# Letters that look alike in Latin and in Cyrillic, Latin first.
_ALIKE = (
    ("A", "А"), ("B", "В"), ("C", "С"), ("E", "Е"), ("H", "Н"), ("I", "І"), ("J", "Ј"), ("K", "К"), ("M", "М"),
    ("O", "О"), ("P", "Р"), ("S", "Ѕ"), ("T", "Т"), ("X", "Х"), ("Y", "У"), ("a", "а"), ("c", "с"), ("e", "е"),
    ("i", "і"), ("j", "ј"), ("o", "о"), ("p", "р"), ("s", "ѕ"), ("x", "х"), ("y", "у"),
    ("Ă", "Ӑ"), ("ă", "ӑ"), ("Ç", "Ҫ"), ("ç", "ҫ"), ("Ĕ", "Ӗ"), ("ĕ", "ӗ"), ("Ÿ", "Ӳ"), ("ÿ", "ӳ"),  # Chuvash
)  # fmt: skip
_TO = {
    "cyrillic": dict(_ALIKE),
    "latin": {cyrillic: latin for latin, cyrillic in _ALIKE},
}
_CYRILLIC, _LATIN = re.compile("[\u0400-\u052f]"), re.compile("[A-Za-z\u00c0-\u024f]")
_LETTERS = re.compile(r"[^\W\d_]+")


def one_script(text: str) -> str:
    """Write words that mix Latin and Cyrillic in one script, where the letters of the other only look alike.

    The script is that of the letters that cannot be taken for another; where all can, that of most words around.

    >>> one_script("мaма je дoма"), one_script("tatа")
    ('мама je дома', 'tata')
    """
    if not _CYRILLIC.search(text) or not _LATIN.search(text):
        return text
    around = Counter(script for word in _LETTERS.findall(text) if (script := _sure(word)))
    if not around:
        around = Counter(script for char in text if (script := script_of(char)) in _TO)
    return _LETTERS.sub(lambda found: _mended(found[0], around), text)


def _sure(word: str) -> str | None:
    """Return the script of the letters of a word that have no double, if all of those are of one."""
    found = {s for char in word if (s := script_of(char)) in _TO and char not in _DOUBLES}
    return found.pop() if len(found) == 1 else None


_DOUBLES = frozenset(letter for pair in _ALIKE for letter in pair)


def _mended(word: str, around: Counter[str]) -> str:
    scripts = {script_of(char) for char in word}
    if not {"latin", "cyrillic"} <= scripts:
        return word
    target = _sure(word)
    if target is None:
        if any(char not in _DOUBLES and script_of(char) in _TO for char in word):
            return word  # letters of both that have no double: a mixture that somebody meant
        target = max(sorted(_TO), key=lambda script: around[script])
    return "".join(_TO[target].get(char, char) for char in word)
