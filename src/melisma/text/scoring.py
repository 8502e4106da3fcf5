"""How a transcript is compared with what was heard: as it is written, normalised, and with its script folded."""

from __future__ import annotations

import unicodedata

from melisma.core.errors import UnknownName
from melisma.text import numbers as spoken
from melisma.text import transliterate
from melisma.text.transcripts import lower, plain_characters, without_punctuation

RAW, NORMALISED, FOLDED = "raw", "normalised", "folded"
_AT_MOST = 8  # rounds; two are enough for nearly all
VIEWS = (RAW, NORMALISED, FOLDED)


def raw(text: str) -> str:
    r"""Return a text as it is written: case, punctuation and script count, the kind of its spaces does not.

    >>> raw(" Što, \n ne? ")
    'Što, ne?'
    """
    return " ".join(text.split())


def normalised(text: str, language: str, *, numbers: bool = False) -> str:
    """Return a text in small letters, one way to write each of them, and without punctuation.

    Apostrophes and hyphens inside words stay. Nothing that could be a word is taken out: what a model writes in
    brackets counts against it. The same text twice normalised is the same.

    Parameters
    ----------
    text : str
        Of a reference or a hypothesis; both are treated alike.
    language : str
        Its code; it decides how letters are made small and how & and % are said.
    numbers : bool
        Write figures in words, where the language is read.

    Raises
    ------
    MissingDependency
        If `numbers` meets a figure in a language that needs num2words, and it is not installed.

    Examples
    --------
    >>> normalised("Došlo je, „više-manje“, 21 žena…", "hr")
    'došlo je više-manje 21 žena'
    >>> normalised("21 žena", "hr", numbers=True)
    'dvadeset jedna žena'
    """
    plain = plain_characters(text)
    if numbers:
        plain = spoken.in_words(plain, language)
    plain = lower(plain, language)  # first, since a capital may become a letter and a mark
    for _ in range(_AT_MOST):
        before = plain
        plain = " ".join(lower(without_punctuation(plain, language), language).split())
        if plain == before or not {"'", "-"} & set(plain):
            break  # only apostrophes and hyphens hang on their neighbours, which may have gone
    return plain


def folded(text: str, language: str, *, numbers: bool = False) -> str:
    """Return a normalised text in Latin letters: Cyrillic and Latin spellings of one word are the same.

    >>> folded("Љубав, не мржња!", "sr") == folded("ljubav ne mržnja", "hr")
    True
    """
    return unicodedata.normalize("NFC", transliterate.folded(normalised(text, language, numbers=numbers)))


def view(text: str, language: str, name: str, *, numbers: bool = False) -> str:
    """Return a text as one of `VIEWS` sees it.

    Raises
    ------
    UnknownName
        If it is none of them.
    """
    if name == RAW:
        return raw(text)
    if name == NORMALISED:
        return normalised(text, language, numbers=numbers)
    if name == FOLDED:
        return folded(text, language, numbers=numbers)
    raise UnknownName("view", name, VIEWS)
