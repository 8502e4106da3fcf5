"""Croatian, Bosnian and Serbian numerals in words: cardinals by gender, ordinals by gender and case, counted nouns.

num2words knows Serbian only, calls 10⁹ "bilion", and cannot count: Croatian has *tisuća* where the others have
*hiljada*, Serbian *dve* where the others have *dvije*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from melisma.core.errors import InputError

Gender = Literal["m", "f", "n"]
Case = Literal["nom", "gen", "dat", "acc"]
LARGEST = 10**15 - 1  # beyond, numbers are read digit by digit

# Montenegrin says what Serbian ijekavian does; hbs and sh are taken for Croatian elsewhere too.
_VARIANT = {"hr": "hr", "sh": "hr", "hbs": "hr", "bs": "bs", "cnr": "bs", "sr": "sr"}

_WORDS = """
nula jedan dva tri četiri pet šest sedam osam devet
deset jedanaest dvanaest trinaest četrnaest petnaest šesnaest sedamnaest osamnaest devetnaest
_ _ dvadeset trideset četrdeset pedeset šezdeset sedamdeset osamdeset devedeset
nult prv drug treć četvrt pet šest sedm osm devet
_ stot dvjestot tristot četiristot petstot šeststot sedamstot osamstot devetstot
"""
_UNITS, _TEENS, _TENS, _ORDINAL_UNITS, _ORDINAL_HUNDREDS = (row.split() for row in _WORDS.strip().splitlines())
_ONES = _UNITS + _TEENS
_ORDINALS = _ORDINAL_UNITS + _TEENS  # without their endings
_ENDINGS: dict[tuple[Gender, Case], tuple[str, str]] = {  # behind a hard and behind a soft consonant
    ("m", "nom"): ("i", "i"), ("m", "gen"): ("og", "eg"), ("m", "dat"): ("om", "em"), ("m", "acc"): ("i", "i"),
    ("f", "nom"): ("a", "a"), ("f", "gen"): ("e", "e"), ("f", "dat"): ("oj", "oj"), ("f", "acc"): ("u", "u"),
    ("n", "nom"): ("o", "e"), ("n", "gen"): ("og", "eg"), ("n", "dat"): ("om", "em"), ("n", "acc"): ("o", "e"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counted:
    """A noun as it stands behind 1, behind 2 to 4, and behind 5: `euro`, `eura`, `eura`; and its gender."""

    one: str
    few: str
    many: str
    gender: Gender = "m"

    def of(self, n: int) -> str:
        """Return the form that stands behind a number: it goes by the last two digits.

        >>> year = Counted("godina", "godine", "godina", "f")
        >>> [year.of(n) for n in (1, 2, 5, 11, 21, 112, 134)]
        ['godina', 'godine', 'godina', 'godina', 'godina', 'godina', 'godine']
        """
        if n % 10 == 1 and n % 100 != 11:
            return self.one
        if n % 10 in (2, 3, 4) and n % 100 not in (12, 13, 14):
            return self.few
        return self.many


_SCALES = {
    "hr": {
        10**3: Counted("tisuća", "tisuće", "tisuća", "f"),
        10**6: Counted("milijun", "milijuna", "milijuna"),
        10**9: Counted("milijarda", "milijarde", "milijardi", "f"),
        10**12: Counted("bilijun", "bilijuna", "bilijuna"),
    },
    "bs": {
        10**3: Counted("hiljada", "hiljade", "hiljada", "f"),
        10**6: Counted("milion", "miliona", "miliona"),
        10**9: Counted("milijarda", "milijarde", "milijardi", "f"),
        10**12: Counted("bilion", "biliona", "biliona"),
    },
}
_SCALES["sr"] = _SCALES["bs"]


def variant(language: str) -> str | None:
    """Return "hr", "bs" or "sr" for a code of any of these languages, None for others."""
    return _VARIANT.get(language.lower().partition("-")[0])


def cardinal(n: int, language: str, gender: Gender = "m") -> str:
    """Spell a number.

    A thousand by itself is *tisuću* or *hiljadu*, as it is counted; 21,000 is *dvadeset jedna tisuća*.

    Raises
    ------
    InputError
        If it is beyond `LARGEST`, or the language is another.

    Examples
    --------
    >>> cardinal(1992, "hr"), cardinal(2000, "sr"), cardinal(2, "bs", "f")
    ('tisuću devetsto devedeset dva', 'dve hiljade', 'dvije')
    """
    which = variant(language)
    if which is None or abs(n) > LARGEST:
        raise InputError(f"{n} has no words in {language}")
    if n < 0:
        return f"minus {cardinal(-n, language, gender)}"
    if n == 0:
        return "nula"
    said: list[str] = []
    for size, noun in sorted(_SCALES[which].items(), reverse=True):
        times, n = divmod(n, size)
        if times == 1:
            said.append(f"{noun.one[:-1]}u" if size == 1000 else noun.one)
        elif times:
            said += [_below_thousand(times, which, noun.gender), noun.of(times)]
    if n:
        said.append(_below_thousand(n, which, gender))
    return " ".join(said)


def _below_thousand(n: int, which: str, gender: Gender) -> str:
    hundreds, rest = divmod(n, 100)
    said = [_hundreds(hundreds, which)] if hundreds else []
    if rest >= 20:
        said.append(_TENS[rest // 10])
        rest %= 10
    if rest:
        said.append(_one(rest, which, gender))
    return " ".join(said)


def _one(n: int, which: str, gender: Gender) -> str:
    if n == 1:
        return {"m": "jedan", "f": "jedna", "n": "jedno"}[gender]
    if n == 2 and gender == "f":
        return "dve" if which == "sr" else "dvije"
    return _ONES[n]


def _hundreds(n: int, which: str) -> str:
    if n == 1:
        return "sto"
    if n == 2:
        return "dvesta" if which == "sr" else "dvjesto"
    if n == 3:
        return "trista" if which == "sr" else "tristo"
    return f"{_ONES[n]}sto"


def ordinal(n: int, language: str, gender: Gender = "m", case: Case = "nom") -> str:
    """Spell an ordinal; only its last word is one.

    >>> ordinal(1991, "hr", "f", "gen"), ordinal(3, "sr", "n"), ordinal(20, "bs", case="dat")
    ('tisuću devetsto devedeset prve', 'treće', 'dvadesetom')
    """
    which = variant(language)
    if which is None or not 0 <= n <= LARGEST:
        raise InputError(f"{n} has no ordinal in {language}")
    head, stem = _last_word(n, which)
    said = f"{cardinal(head, language)} " if head else ""
    return said + stem + _ENDINGS[gender, case][stem.endswith("ć")]


def _last_word(n: int, which: str) -> tuple[int, str]:
    """Split an ordinal: the number that stands in front of its last word, and that word without its ending."""
    rest = n % 100
    if n == 0 or 0 < rest < 20:
        return n - rest, _ORDINALS[rest]
    if rest:
        return (n - rest % 10, _ORDINALS[rest % 10]) if rest % 10 else (n - rest, _TENS[rest // 10])
    if n % 1000:
        stem = _ORDINAL_HUNDREDS[n % 1000 // 100]
        return n - n % 1000, "dvestot" if which == "sr" and stem == "dvjestot" else stem
    size = max(size for size in _SCALES[which] if n % size == 0)
    times, noun = n // size % 1000, _SCALES[which][size]
    stem = (noun.one[:-1] + "it") if noun.gender == "f" else noun.one + "t"
    many = "" if times == 1 else _below_thousand(times, which, "f").replace(" ", "")
    return n - times * size, many + stem
