"""Numbers in words through num2words, in the languages whose whole numbers it spells right (checked at 1 to 10⁶).

num2words spells whole numbers, ordinals and years; how decimals, ranges, times and money are said is told here, for it
gets most of them wrong (Czech -5 raises, 10⁹ as a float is "celá nula nula").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_LARGEST = 10**12


@dataclass(frozen=True, slots=True)
class Speech:
    """How a language says what stands around its figures; what is empty is not said, and its figures stay apart."""

    point: str = ""  # between a number and its decimals
    digits: bool = False  # whether decimals are said one by one
    minus: str = "minus"
    to: str = ""  # in a range
    percent: str = ""
    dot: bool = False  # a full stop parts decimals, and a comma thousands
    ordinals: str = ""  # what follows the figures of an ordinal, as a regular expression
    money: tuple[tuple[str, str, str], ...] = ()  # symbol, one, many
    cents: str = ""  # between the whole and the hundredths of an amount
    clock: str = ""  # between hours and minutes; "-" for nothing


_SPEECH: dict[str, Speech] = {
    "en": Speech("point", True, "minus", "to", "percent", True, "st|nd|rd|th",
                 (("$", "dollar", "dollars"), ("€", "euro", "euros"), ("£", "pound", "pounds")), "", "-"),
    "de": Speech("Komma", True, "minus", "bis", "Prozent", False, "",
                 (("€", "Euro", "Euro"), ("$", "Dollar", "Dollar"), ("£", "Pfund", "Pfund")), "", "Uhr"),
    "fr": Speech("virgule", False, "moins", "à", "pour cent", False, "er|ère|re|e|ème|ième",
                 (("€", "euro", "euros"), ("$", "dollar", "dollars"), ("£", "livre", "livres")), "", "heures"),
    "es": Speech("coma", False, "menos", "a", "por ciento", False, "º|ª",
                 (("€", "euro", "euros"), ("$", "dólar", "dólares"), ("£", "libra", "libras")), "con", "y"),
    "it": Speech("virgola", False, "meno", "a", "per cento", False, "º|ª",
                 (("€", "euro", "euro"), ("$", "dollaro", "dollari"), ("£", "sterlina", "sterline")), "e", "e"),
    "pt": Speech("vírgula", False, "menos", "a", "por cento", False, "º|ª",
                 (("€", "euro", "euros"), ("$", "dólar", "dólares"), ("£", "libra", "libras")), "e", "e"),
    "nl": Speech("komma", True, "min", "tot", "procent", False, "e|de|ste",
                 (("€", "euro", "euro"), ("$", "dollar", "dollar"), ("£", "pond", "pond")), "", "uur"),
    "sv": Speech("komma", True, "minus", "till", "procent", clock="och"),
    "da": Speech("komma", True, "minus", "til", "procent"),
    "no": Speech("komma", True, "minus", "til", "prosent"),
    "fi": Speech("pilkku", False, "miinus", "", "prosenttia"),
    "pl": Speech("przecinek", False, "minus", "do", "procent"),
    "cs": Speech("", False, "minus", "až", "procent"),
    "sl": Speech("vejica", True, "minus", "do", "odstotkov"),
    "hu": Speech("", False, "mínusz", "", "százalék"),
    "ro": Speech("virgulă", False, "minus", "", "la sută"),
    "ru": Speech("", False, "минус", "", "процентов"),
    "uk": Speech("", False, "мінус", "", "відсотків"),
    "lt": Speech("", False, "minus", "", "procentų"),
    "lv": Speech("", False, "mīnus", "", "procentu"),
    "id": Speech("koma", True, "minus", "", "persen"),
    "eo": Speech("komo", False, "minus", "", "procentoj"),
}  # fmt: skip
_ALIASES = {"nb": "no", "nn": "no"}


def base(language: str) -> str | None:
    """Return the code that a language is read by, None where its numbers are not read.

    >>> base("pt-BR"), base("nb"), base("ja")
    ('pt', 'no', None)
    """
    code = language.lower().partition("-")[0]
    code = _ALIASES.get(code, code)
    return code if code in _SPEECH else None


def read(text: str, language: str) -> str:
    """Write the numbers of a text in words."""
    code = base(language)
    if code is None:
        return text
    speaker = _Speaker(code, _SPEECH[code])
    for pattern, spoken in _rules(_SPEECH[code]):
        text = re.sub(pattern, getattr(speaker, spoken), text)
    return text


@dataclass(frozen=True, slots=True)
class _Speaker:
    """Says what a pattern has found, in one language."""

    code: str
    speech: Speech

    def whole(self, n: int, to: str = "cardinal") -> str:
        """Spell a whole number that is not negative, without the punctuation of some languages."""
        from num2words import num2words

        said: Any = num2words(n, lang=self.code, to=to)
        return " ".join(str(said).replace(",", " ").replace("\u00ad", "").split())

    def number(self, written: str) -> str:
        """Say a number as it is written in the language."""
        whole, decimals = self.parts(written)
        if (len(whole) > 1 and whole[0] == "0") or int(whole) >= _LARGEST:
            said = " ".join(self.whole(int(digit)) for digit in whole)
        else:
            said = self.whole(int(whole))
        if not decimals:
            return said
        zeros = len(decimals) - len(decimals.lstrip("0"))
        one_by_one = self.speech.digits or len(decimals) > 3
        rest = list(decimals[zeros:]) if one_by_one else [decimals[zeros:]]
        tail = [self.whole(0)] * zeros + [self.whole(int(digits)) for digits in rest if digits]
        return " ".join([said, *([self.speech.point] if self.speech.point else []), *tail])

    def parts(self, written: str) -> tuple[str, str]:
        """Split a number into its whole part and its decimals, as digits."""
        point, group = (".", ",") if self.speech.dot else (",", ".")
        whole, _, decimals = re.sub(rf"[{group} \u00a0\u202f'’]", "", written).partition(point)
        return whole, decimals

    def plain(self, found: re.Match[str]) -> str:
        """Say a number by itself; four figures that may be a year are one in English and German."""
        written = found["number"]
        year = self.code in ("en", "de") and re.fullmatch(r"1[5-9]\d\d|20[1-9]\d", written)
        said = self.whole(int(written), "year") if year else self.number(written)
        left = " " if found["glued"] is not None else ""
        return f"{left}{said}{' ' if found['behind'] is not None else ''}"

    def minus(self, found: re.Match[str]) -> str:
        """Say a sign."""
        return f"{self.speech.minus} "

    def one_by_one(self, found: re.Match[str]) -> str:
        """Say the digits of a telephone number."""
        return " ".join(self.whole(int(digit)) for digit in found[0] if digit.isdigit())

    def percent(self, found: re.Match[str]) -> str:
        """Say a percentage."""
        return f"{self.number(found['number'])} {self.speech.percent}"

    def range(self, found: re.Match[str]) -> str:
        """Put a word in the place of the dash; the numbers are said later."""
        return f"{found['from']} {self.speech.to} "

    def ordinal(self, found: re.Match[str]) -> str:
        """Say an ordinal."""
        n = int(self.parts(found["number"])[0])
        return found[0] if n >= _LARGEST else self.whole(n, "ordinal")

    def money(self, found: re.Match[str]) -> str:
        """Say an amount: its whole part, the currency, its hundredths."""
        names = {symbol: (one, many) for symbol, one, many in self.speech.money}
        one, many = names[found["symbol"]]
        whole, decimals = self.parts(found["number"])
        said = f"{self.number(whole)} {one if int(whole) == 1 else many}"
        if len(decimals) != 2:
            return said if not decimals else f"{self.number(found['number'])} {many}"
        hundredths = self.whole(int(decimals)) if int(decimals) else ""
        return " ".join(part for part in (said, self.speech.cents if hundredths else "", hundredths) if part)

    def time(self, found: re.Match[str]) -> str:
        """Say a time of the day."""
        hours, minutes = int(found["hours"]), int(found["minutes"])
        between = "" if self.speech.clock == "-" else self.speech.clock
        if not minutes:
            ending = "o'clock" if self.code == "en" else between if self.code in ("de", "fr", "nl") else ""
            return f"{self.whole(hours)} {ending}".strip()
        oh = "oh" if self.code == "en" and minutes < 10 else ""
        return " ".join(part for part in (self.whole(hours), between, oh, self.whole(minutes)) if part)


def _rules(speech: Speech) -> list[tuple[str, str]]:
    """Return patterns and the methods that say what they find, in order."""
    group, point = (r",", r"\.") if speech.dot else (r"[.\u00a0\u202f ]", ",")
    grouped = rf"[1-9]\d{{0,2}}(?:{group}\d{{3}})+(?!\d)"
    number = rf"(?:{grouped}|\d+)(?:{point}\d+)?" if speech.point else rf"(?:{grouped}|\d+)"
    begin, end = r"(?<![\w.,])", r"(?!\w)"
    telephone = (r"(?<![\w.,:])(?<!\d )0\d+(?:[ /-]\d{2,})++(?!\w|[.,:]\d)", "one_by_one")
    rules = [telephone, (rf"{begin}[-−](?=\d)", "minus")]
    rules.append((rf"{begin}(?P<hours>[01]?\d|2[0-4]):(?P<minutes>[0-5]\d)(?![\w:])", "time"))
    if speech.to:
        rules.insert(2, (rf"{begin}(?P<from>\d{{1,2}}:\d\d)\s?[-–—]\s?(?=\d{{1,2}}:\d\d)", "range"))
        rules.append((rf"{begin}(?P<from>{number})\s?[-–—]\s?(?={number})(?!\d+-\d)", "range"))
    if speech.money:
        symbols = "[" + "".join(re.escape(each[0]) for each in speech.money) + "]"
        both = [
            (rf"(?<!\w)(?P<symbol>{symbols})\s?(?P<number>{number}){end}", "money"),
            (rf"{begin}(?P<number>{number})\s?(?P<symbol>{symbols}){end}", "money"),
        ]
        rules += both if speech.dot else both[::-1]  # where a full stop parts decimals, the sign stands in front
    if speech.percent:
        rules.append((rf"{begin}(?P<number>{number})\s?%{end}", "percent"))
    if speech.ordinals:
        rules.append((rf"{begin}(?P<number>{grouped}|\d+)(?:{speech.ordinals}){end}", "ordinal"))
    letters = r"[^\W\d_]"
    plain = rf"(?P<glued>(?<={letters}))?(?P<number>{number})(?P<behind>(?={letters}))?"
    return [*rules, (plain, "plain")]
