"""Any script in plain Latin letters: uroman, of the `[ctc]` extra, and the codes that it knows languages by.

This project uses the universal romanizer software 'uroman' written by Ulf Hermjakob, USC Information Sciences
Institute (2015-2020).
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

from melisma.core.errors import MissingDependency, UnknownName
from melisma.text.iso639 import TWO_LETTERS
from melisma.text.language import normalise

# ISO 639-3 has no such languages: qaa to qtz are for private use.
_PRIVATE = ("qaa", "qtz")


@cache
def _three_letters() -> dict[str, str]:
    out: dict[str, str] = {}
    for three, two in TWO_LETTERS.items():
        if len(three) == 3:
            out.setdefault(two, three)
    return out


def iso639_3(language: str) -> str:
    """Return the ISO 639-3 code of a language, which uroman and MMS know it by.

    Codes of three letters are taken as they stand: there are 7,900, and a model that speaks 1,130 has no list of them.

    Raises
    ------
    UnknownName
        If ISO 639-1 has no such code.
    InputError
        If it is no language code at all.

    Examples
    --------
    >>> [iso639_3(code) for code in ("fr", "pt-BR", "hrv", "yue", "cmn")]
    ['fra', 'por', 'hrv', 'yue', 'zho']
    """
    code = normalise(language).partition("-")[0]
    known = _three_letters()
    if len(code) == 3 and not _PRIVATE[0] <= code <= _PRIVATE[1]:
        return code
    if code not in known:
        raise UnknownName("language", language, known)
    return known[code]


def installed() -> bool:
    """Whether uroman is there."""
    return find_spec("uroman") is not None


@cache
def _uroman() -> Any:
    try:
        import uroman
    except ImportError as error:
        raise MissingDependency("other scripts need uroman: pip install 'melisma[ctc]'") from error
    return uroman.Uroman()  # takes two seconds: its tables are text


@lru_cache(maxsize=65536)
def romanise(text: str, language: str) -> str:
    """Write a text in lower-case Latin letters without accents; `language` is a code of ISO 639.

    ASCII is its own romanisation, and needs no table.
    """
    if text.isascii():
        return text.lower()
    return str(_uroman().romanize_string(text, lcode=iso639_3(language))).lower()
