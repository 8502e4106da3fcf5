"""Numbers as they are said: figures, dates, times, money and percentages of a text become words.

Croatian, Bosnian and Serbian are read by `melisma.text.south_slavic_numbers`, languages that num2words spells right by
`melisma.text.spelt_numbers`. In others figures stay, for espeak-ng to read.
"""

from __future__ import annotations

import re
import unicodedata
from importlib.util import find_spec

from melisma.core.errors import MissingDependency
from melisma.text import numerals, south_slavic_numbers, spelt_numbers

# What no number is read in: addresses of all kinds, and what has three dots or more (versions, addresses of machines).
_KEPT = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?<![\w.])\d+(?:\.\d+){3,}(?![\w])", re.IGNORECASE
)


def reads(language: str) -> bool:
    """Whether numbers become words in a language."""
    return numerals.variant(language) is not None or spelt_numbers.base(language) is not None


def check(language: str) -> None:
    """Refuse a language that needs num2words where it is not installed.

    Raises
    ------
    MissingDependency
        The sentence says how to install it.
    """
    if numerals.variant(language) is None and spelt_numbers.base(language) and find_spec("num2words") is None:
        raise MissingDependency("numbers in words need num2words: pip install 'melisma[data]'")


def in_words(text: str, language: str) -> str:
    """Write the numbers of a text in words; addresses stay, and so does all in a language that is not read.

    Parameters
    ----------
    text : str
        One line or many.
    language : str
        Its code; it decides what a comma and a full stop inside a number mean.

    Raises
    ------
    MissingDependency
        If there is a number, and num2words is needed and not installed.

    Examples
    --------
    >>> in_words("5. svibnja 1991. godine plaća 1.250,50 € i 2 kune", "hr")
    'petog svibnja tisuću devetsto devedeset prve godine plaća tisuću dvjesto pedeset eura i pedeset centi i dvije kune'
    """
    if not _FIGURE.search(text) and not (numerals.variant(language) and _ROMAN.search(text)):
        return text
    text = _western(text)
    read = south_slavic_numbers.read if numerals.variant(language) else spelt_numbers.read
    if not reads(language):
        return text
    check(language)
    out: list[str] = []
    at = 0
    for found in _KEPT.finditer(text):
        out += [read(text[at : found.start()], language), found[0]]
        at = found.end()
    return "".join([*out, read(text[at:], language)])


_FIGURE = re.compile(r"\d")
_ROMAN = re.compile(r"\b[IVXL]+\. ")


def _western(text: str) -> str:
    """Write digits of other scripts as 0 to 9, one for one."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() and not char.isascii() else char for char in text)
