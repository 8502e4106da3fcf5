"""Numbers of Croatian, Bosnian and Serbian texts in words: which form each takes is told by the word behind it.

Figures do not say gender and case; where the next word does not either, the number is masculine and in the nominative.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from melisma.text import scripts
from melisma.text.numerals import LARGEST, Case, Counted, Gender, cardinal, ordinal, variant
from melisma.text.transliterate import to_cyrillic, to_latin

_NUMBER = r"(?:[1-9]\d{0,2}(?:\.\d{3})+(?!\d)|[1-9]\d{0,2}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+)(?:,\d+)?"
_BEGIN = r"(?<![\w.,])"  # nothing of a number or word in front
_END = r"(?!\w)"

_EUR = {"sr": Counted("evro", "evra", "evra")}
_MONEY: dict[str, tuple[Counted, Counted]] = {
    "€": (Counted("euro", "eura", "eura"), Counted("cent", "centa", "centi")),
    "$": (Counted("dolar", "dolara", "dolara"), Counted("cent", "centa", "centi")),
    "£": (Counted("funta", "funte", "funti", "f"), Counted("peni", "penija", "penija")),
    "KM": (Counted("marka", "marke", "maraka", "f"), Counted("fening", "feninga", "feninga")),
    "kn": (Counted("kuna", "kune", "kuna", "f"), Counted("lipa", "lipe", "lipa", "f")),
    "RSD": (Counted("dinar", "dinara", "dinara"), Counted("para", "pare", "para", "f")),
    "CHF": (Counted("franak", "franka", "franaka"), Counted("rap", "rapa", "rapa")),
}
_CODES = {"EUR": "€", "USD": "$", "GBP": "£", "BAM": "KM", "HRK": "kn", "din.": "RSD", "din": "RSD"}
_UNITS: dict[str, Counted] = {
    "km/h": Counted("kilometar na sat", "kilometra na sat", "kilometara na sat"),
    "km": Counted("kilometar", "kilometra", "kilometara"),
    "cm": Counted("centimetar", "centimetra", "centimetara"),
    "mm": Counted("milimetar", "milimetra", "milimetara"),
    "kg": Counted("kilogram", "kilograma", "kilograma"),
    "min": Counted("minuta", "minute", "minuta", "f"),
    "h": Counted("sat", "sata", "sati"),
    "m": Counted("metar", "metra", "metara"),
    "g": Counted("gram", "grama", "grama"),
    "l": Counted("litra", "litre", "litara", "f"),
    "°C": Counted("stupanj", "stupnja", "stupnjeva"),
}
_DEGREES = Counted("stepen", "stepena", "stepeni")  # all but Croatian
_MINUTES = Counted("minuta", "minute", "minuta", "f")
_SECONDS = Counted("sekunda", "sekunde", "sekundi", "f")
_HOURS = Counted("sat", "sata", "sati")

# Words that say what form an ordinal in front of them takes.
_HEADS: dict[str, tuple[Gender, Case]] = {
    **dict.fromkeys(("godina", "sezona", "liga"), ("f", "nom")),
    **dict.fromkeys(("godine", "sezone", "lige"), ("f", "gen")),
    **dict.fromkeys(("godini", "sezoni", "ligi"), ("f", "dat")),
    **dict.fromkeys(("godinu", "sezonu", "ligu"), ("f", "acc")),
    **dict.fromkeys(("stoljeće", "mjesto", "mesto", "kolo", "poluvrijeme"), ("n", "nom")),
    **dict.fromkeys(("stoljeća", "mjesta", "mesta", "kola"), ("n", "gen")),
    **dict.fromkeys(("stoljeću", "mjestu", "mestu", "kolu"), ("n", "dat")),
    **dict.fromkeys(("vek", "vijek", "rat", "dan", "razred", "put"), ("m", "nom")),
    **dict.fromkeys(("veka", "vijeka", "rata", "dana", "razreda", "puta"), ("m", "gen")),
    **dict.fromkeys(("veku", "vijeku", "ratu", "danu", "razredu"), ("m", "dat")),
}
_MONTHS = """
siječnja veljače ožujka travnja svibnja lipnja srpnja kolovoza rujna listopada studenog studenoga prosinca
januara februara marta aprila maja juna jula avgusta augusta septembra oktobra novembra decembra
"""
_HEADS |= dict.fromkeys(_MONTHS.split(), ("m", "gen"))
_OTHER_MONTHS = """
siječanj veljača ožujak travanj svibanj lipanj srpanj kolovoz rujan listopad studeni prosinac
siječnju veljači ožujku travnju svibnju lipnju srpnju kolovozu rujnu listopadu studenom studenome prosincu
januar februar mart april maj jun jul avgust august septembar oktobar novembar decembar
januaru februaru martu aprilu maju junu julu avgustu augustu septembru oktobru novembru decembru
"""
# What an ordinal takes its form from where the word is none of these: its ending, the longest first.
_BY_ENDING: tuple[tuple[str, tuple[Gender, Case]], ...] = (
    ("ski", ("m", "nom")), ("čki", ("m", "nom")), ("ški", ("m", "nom")), ("og", ("m", "gen")), ("eg", ("m", "gen")),
    ("om", ("m", "dat")), ("em", ("m", "dat")), ("oj", ("f", "dat")), ("a", ("f", "nom")), ("e", ("f", "gen")),
    ("i", ("f", "dat")), ("u", ("m", "dat")), ("o", ("n", "nom")),
)  # fmt: skip
# Words in -e and -i behind a number that are no feminine noun.
_OTHERS = """
nije više prije poslije posle ovdje ovde ondje onde gdje gde kasnije ranije dalje bolje gore dole ipak ali ili koje koji
bile bili jeste budu imale imali nisu protive nakon preko ispred iznad
"""
_NO_NOUNS = frozenset(_OTHERS.split())
_IN_I = frozenset({"noći", "stvari", "riječi", "reči", "kosti", "peći", "kćeri", "vijesti", "vesti", "obitelji"})


def read(text: str, language: str) -> str:
    """Write the numbers of a text in words."""
    which = variant(language) or "hr"
    letters = scripts.count(text)
    cyrillic = letters["cyrillic"] > letters["latin"]

    def said(found: re.Match[str], say: Callable[[re.Match[str], str], str]) -> str:
        words = say(found, which)
        return to_cyrillic(words) if cyrillic else words

    for pattern, say in _RULES:
        text = pattern.sub(lambda found, say=say: said(found, say), text)  # type: ignore[misc]
    return text


def _value(written: str) -> tuple[str, str]:
    """Split a number into its whole part and its decimals, as digits."""
    whole, _, decimals = re.sub(r"[. \u00a0\u202f]", "", written).partition(",")
    return whole, decimals


def _said(written: str, which: str, gender: Gender = "m") -> str:
    """Say a number; digit by digit if it begins with zero or is too long to have a name."""
    whole, decimals = _value(written)
    if (len(whole) > 1 and whole[0] == "0") or int(whole) > LARGEST:
        said = " ".join(cardinal(int(digit), which) for digit in whole)
    else:
        said = cardinal(int(whole), which, "m" if decimals else gender)
    if not decimals:
        return said
    zeros = len(decimals) - len(decimals.lstrip("0"))
    rest = [decimals[zeros:]] if len(decimals) <= 3 else list(decimals[zeros:])
    comma = "zapeta" if which == "sr" else "zarez"
    return " ".join([said, comma, *["nula"] * zeros, *[cardinal(int(digits), which) for digits in rest if digits]])


def _counted(written: str, noun: Counted, which: str) -> str:
    whole, decimals = _value(written)
    said = _said(written, which, noun.gender)
    return f"{said} {noun.few if decimals else noun.of(int(whole))}"


def _date(found: re.Match[str], which: str) -> str:
    day, month, year = int(found["day"]), int(found["month"]), found["year"]
    said = f"{ordinal(day, which, case='gen')} {ordinal(month, which, case='gen')}"
    return f"{said} {ordinal(int(year), which, 'f', 'gen')}" if year else said


def _time(found: re.Match[str], which: str) -> str:
    hours, minutes, unit = int(found["hours"]), int(found["minutes"]), found["unit"]
    hour = _HOURS.of(hours) if unit in (None, "h") else to_latin(unit)
    if not minutes:
        return f"{cardinal(hours, which)} {hour}"
    if unit is None:
        return f"{cardinal(hours, which)} i {cardinal(minutes, which)}"
    return f"{cardinal(hours, which)} {hour} i {cardinal(minutes, which, 'f')} {_MINUTES.of(minutes)}"


def _time_to_the_second(found: re.Match[str], which: str) -> str:
    named = (("hours", _HOURS), ("minutes", _MINUTES), ("seconds", _SECONDS))
    said = [_counted(str(int(found[part])), noun, which) for part, noun in named]
    return f"{said[0]} {said[1]} i {said[2]}"


def _money(found: re.Match[str], which: str) -> str:
    symbol = to_latin(found["before"] or found["behind"])
    noun, small = _MONEY[_CODES.get(symbol, symbol)]
    if _CODES.get(symbol, symbol) == "€":
        noun = _EUR.get(which, noun)
    whole, decimals = _value(found["number"])
    if len(decimals) not in (1, 2):
        return _counted(found["number"], noun, which)
    parts = int(decimals.ljust(2, "0"))
    said = _counted(whole, noun, which)
    return f"{said} i {cardinal(parts, which, small.gender)} {small.of(parts)}" if parts else said


def _unit(found: re.Match[str], which: str) -> str:
    unit = to_latin(found["unit"])
    if unit == "%":
        return f"{_said(found['number'], which)} {'odsto' if which == 'sr' else 'posto'}"
    if unit == "‰":
        return f"{_said(found['number'], which)} promila"
    noun = _DEGREES if unit == "°C" and which != "hr" else _UNITS[unit]
    return _counted(found["number"], noun, which)


def _range(found: re.Match[str], which: str) -> str:
    return f"{found['from']} do "


def _score(found: re.Match[str], which: str) -> str:
    return f"{_said(found['a'], which)} prema {_said(found['b'], which)}"


def _ordinal(found: re.Match[str], which: str) -> str:
    n = int(found["n"])
    if n > LARGEST:
        return found[0]
    following = to_latin(found["next"]).lower()
    if following == "do":
        return ordinal(n, which, "f" if n >= 1000 else "m", "gen")  # from year to year, from day to day
    endings = _BY_ENDING if len(following) > 2 else ()
    form = _HEADS.get(following) or next((form for end, form in endings if following.endswith(end)), ("m", "nom"))
    return ordinal(n, which, *form)


def _year(found: re.Match[str], which: str) -> str:
    form = _HEADS.get(to_latin(found["next"]).lower(), ("f", "gen"))
    return ordinal(int(found["n"]), which, *form)


def _year_of_month(found: re.Match[str], which: str) -> str:
    return f"{to_latin(found['month'])} {ordinal(int(found['n']), which, 'f', 'gen')}"


def _roman(found: re.Match[str], which: str) -> str:
    values = {"I": 1, "V": 5, "X": 10, "L": 50}
    digits = [values[char] for char in found["roman"]]
    total = sum(-d if d < max(digits[i:]) else d for i, d in enumerate(digits))
    return f"{total}." if 0 < total < 90 else found[0]


def _suffixed(found: re.Match[str], which: str) -> str:
    n = int(found["n"])
    return found[0] if n > LARGEST else ordinal(n, which)[:-1] + to_latin(found["ending"])


def _minus(found: re.Match[str], which: str) -> str:
    return "minus "


def _one_by_one(found: re.Match[str], which: str) -> str:
    return " ".join(cardinal(int(digit), which) for digit in found[0] if digit.isdigit())


def _plain(found: re.Match[str], which: str) -> str:
    following = to_latin(found["next"] or "").lower()
    said = _said(found["number"], which, _gender(found["number"], following))
    left = " " if found["glued"] is not None else ""
    right = " " if found["behind"] is not None else ""
    return f"{left}{said}{right}"


def _gender(written: str, following: str) -> Gender:
    """Tell the gender of one or two from the noun behind it."""
    whole, _ = _value(written)
    if len(following) < 4 or following in _NO_NOUNS or whole[-2:] in ("11", "12"):
        return "m"
    if whole[-1] == "1":
        return "f" if following[-1] == "a" else "n" if following[-1] in "oe" else "m"
    return "f" if whole[-1] == "2" and (following[-1] == "e" or following in _IN_I) else "m"


def _either(names: Iterable[str]) -> str:
    """Return a pattern of names in both scripts, the longest first; those that are Latin only stay so."""
    both = {*names, *(name for name in map(to_cyrillic, names) if name not in "хмгл")}
    return "|".join(re.escape(name) for name in sorted(both, key=lambda name: (-len(name), name)))


_SYMBOLS = _either([*_MONEY, *_CODES])
_ALL_UNITS = _either(["%", "‰", *_UNITS])
_HOUR = _either(["h", "sati", "sata", "sat", "časova", "časa", "čas"])
_A_MONTH = _either([*_MONTHS.split(), *_OTHER_MONTHS.split()])
_ENDING = _either(["ih", "im", "oj", "og", "om", "i", "e", "a", "u", "o"])
_LOWER = r"(?=\s+(?P<next>[a-zčćđšžа-яђјљњћџ][^\W\d_]*))"

# In this order; each sees what those before it have left.
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], str]], ...] = (
    (re.compile(r"(?<![\w.,:])(?<!\d )0\d+(?:[ /-]\d{2,})++(?!\w|[.,:]\d)"), _one_by_one),  # a telephone
    (re.compile(r"(?<![\w.,])[-−](?=\d)"), _minus),
    (re.compile(rf"{_BEGIN}(?P<from>\d{{1,2}}:\d\d)\s?[-–—]\s?(?=\d{{1,2}}:\d\d)"), _range),
    (re.compile(rf"(?<!\w)(?P<roman>[IVXL]+)\.{_LOWER}"), _roman),
    (
        re.compile(
            rf"{_BEGIN}(?P<day>0?[1-9]|[12]\d|3[01])\.\s?(?P<month>0?[1-9]|1[0-2])\.(?:\s?(?P<year>[12]\d{{3}})\.?|(?!\s?\d)){_END}"
        ),
        _date,
    ),
    (
        re.compile(
            rf"{_BEGIN}(?P<hours>[01]?\d|2[0-4]):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d)(?:\s?(?:{_HOUR}))?(?![\w:])"
        ),
        _time_to_the_second,
    ),
    (
        re.compile(rf"{_BEGIN}(?P<hours>[01]?\d|2[0-4]):(?P<minutes>[0-5]\d)(?:\s?(?P<unit>{_HOUR}))?(?![\w:])"),
        _time,
    ),
    (
        re.compile(rf"{_BEGIN}(?P<hours>[01]?\d|2[0-4])\.(?P<minutes>[0-5]\d)\s?(?P<unit>{_HOUR}){_END}"),
        _time,
    ),
    (re.compile(rf"{_BEGIN}(?P<a>\d{{1,3}}):(?P<b>\d{{1,3}})(?![\w:])"), _score),
    (re.compile(rf"{_BEGIN}(?P<from>{_NUMBER}\.?)\s?[-–—]\s?(?={_NUMBER})(?!\d+-\d)"), _range),
    (re.compile(rf"{_BEGIN}(?P<before>)(?P<number>{_NUMBER})\s?(?P<behind>{_SYMBOLS}){_END}"), _money),
    (re.compile(rf"(?<![\w])(?P<before>[$€£])\s?(?P<number>{_NUMBER})(?P<behind>){_END}"), _money),
    (re.compile(rf"{_BEGIN}(?P<number>{_NUMBER})\s?(?P<unit>{_ALL_UNITS}){_END}"), _unit),
    (
        re.compile(rf"(?<!\w)(?P<month>(?i:{_A_MONTH}))\s+(?P<n>[12]\d{{3}})(?:\.(?!\d)|(?=[,;:!?)]|\s*$))", re.M),
        _year_of_month,
    ),
    (re.compile(rf"{_BEGIN}(?P<n>[1-9]\d*)\.{_LOWER}"), _ordinal),
    (re.compile(rf"{_BEGIN}(?P<n>[12]\d{{3}})(?=\s+(?P<next>godin[aeiu]|годин[аеиу])\b)"), _year),
    (re.compile(rf"{_BEGIN}(?P<n>[12]\d{{3}})\.(?=[,;)]|\s?[-–—])(?P<next>)"), _year),
    (re.compile(rf"{_BEGIN}(?P<n>\d+)[-–][tvgćmrтвгћмр]?(?P<ending>{_ENDING}){_END}"), _suffixed),
    (
        re.compile(
            rf"(?P<glued>(?<=[^\W\d_]))?(?P<number>{_NUMBER})(?P<behind>(?=[^\W\d_]))?(?:(?=\s+(?P<next>[^\W\d_]+)))?"
        ),
        _plain,
    ),
)
