"""Transcripts as trainings and error rates take them: rule by rule, each a switch, the same twice as once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Literal

from melisma.core.errors import UnknownName
from melisma.text import asides, characters, numbers, repairs, transliterate
from melisma.text.asides import Round

Punctuation = Literal["drop", "plain", "keep"]
Case = Literal["lower", "keep"]
Repeats = Literal["write", "drop", "keep"]
_AT_MOST = 8  # rounds; each rule leaves less to do for the next one, and two or three are enough

_CHOICES: dict[str, tuple[str, ...]] = {
    "round_brackets": ("notes", "drop", "keep"),
    "repeats": ("write", "drop", "keep"),
    "punctuation": ("drop", "plain", "keep"),
    "case": ("lower", "keep"),
    "script": ("", "latin", "cyrillic"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What is done to a transcript; all are on as a CTC training wants them.

    Parameters
    ----------
    encoding : bool
        Read text again that was UTF-8 and was read as something else.
    entities, markup : bool
        HTML entities, and tags of HTML and WebVTT.
    unicode : bool
        NFC, one kind of space, no invisible characters, ligatures in letters.
    homoglyphs : bool
        Words of one script, where letters of another only look like it.
    times : bool
        Time tags, subtitle numbers, headers, special tokens of Whisper.
    headings : bool
        Headings of sections of a song.
    speakers : bool
        Who speaks.
    notes : bool
        Musical notes.
    brackets : bool
        What stands in square, curly and angle brackets, and in round ones as `round_brackets` says ("notes": sounds and
        manners go, words stay).
    repeats : {"write", "drop", "keep"}
        Lines with a mark (x2) are written out, or the mark goes.
    numbers : bool
        In words, where the language is read.
    script : {"", "latin", "cyrillic"}
        Of Serbian, Bosnian and Croatian; as it is without one.
    punctuation : {"drop", "plain", "keep"}
        "drop" leaves apostrophes and hyphens inside words; "plain" writes quotes, dashes and dots in one way.
    case : {"lower", "keep"}
        Of letters.
    """

    encoding: bool = True
    entities: bool = True
    markup: bool = True
    unicode: bool = True
    homoglyphs: bool = True
    times: bool = True
    headings: bool = True
    speakers: bool = True
    notes: bool = True
    brackets: bool = True
    round_brackets: Round = "notes"
    repeats: Repeats = "write"
    numbers: bool = True
    script: str = ""
    punctuation: Punctuation = "drop"
    case: Case = "lower"

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise UnknownName(name.replace("_", " "), str(getattr(self, name)), [each for each in known if each])


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text, and which rules have changed it: the text before and after each, by name, in order."""

    text: str
    steps: dict[str, tuple[str, str]] = field(default_factory=dict)


def normalise(text: str, language: str, rules: Rules | None = None) -> Normalised:
    """Apply the rules to a text until none of them finds anything.

    Parameters
    ----------
    text : str
        Of one line or many; lines stay lines.
    language : str
        Its code; it decides how numbers are said and how letters are made small.
    rules : Rules, optional
        All of them without.

    Examples
    --------
    >>> normalise("[00:12.30] IVAN: Došlo je 21 žena… (smijeh)", "hr").text
    'došlo je dvadeset jedna žena'
    """
    chosen = rules or Rules()
    steps: dict[str, tuple[str, str]] = {}
    work = list(_steps(chosen, language))
    for _ in range(_AT_MOST):
        before = text
        for name, rule in work:
            after = rule(text)
            if after != text:
                steps.setdefault(name, (text, after))
            text = after
        if text == before:
            break
    return Normalised(text, steps)


def names() -> tuple[str, ...]:
    """Return the names of the rules, in the order in which they are applied."""
    every = {each.name for each in fields(Rules)} - {"round_brackets"}
    return tuple(name for name, _ in _steps(Rules(script="latin"), "sr") if name in every or name == "spaces")


def _steps(rules: Rules, language: str) -> Iterator[tuple[str, Callable[[str], str]]]:
    every: tuple[tuple[str, bool, Callable[[str], str]], ...] = (
        ("encoding", rules.encoding, repairs.unmangled),
        ("entities", rules.entities, asides.without_entities),
        ("unicode", rules.unicode, plain_characters),
        ("homoglyphs", rules.homoglyphs, repairs.one_script),
        ("times", rules.times, asides.without_times),
        ("markup", rules.markup, asides.without_markup),
        ("headings", rules.headings, asides.without_headings),
        ("repeats", rules.repeats == "write", asides.repeats_written_out),
        ("repeats", rules.repeats == "drop", asides.without_repeat_marks),
        ("speakers", rules.speakers, asides.without_speakers),
        ("notes", rules.notes, asides.without_notes),
        ("brackets", rules.brackets, lambda text: asides.without_brackets(text, rules.round_brackets)),
        ("numbers", rules.numbers, lambda text: numbers.in_words(text, language)),
        ("script", bool(rules.script), lambda text: _in_script(text, language, rules.script)),
        ("punctuation", rules.punctuation == "plain", plain_punctuation),
        ("punctuation", rules.punctuation == "drop", lambda text: without_punctuation(text, language)),
        ("case", rules.case == "lower", lambda text: lower(text, language)),
        ("spaces", True, spaced),
    )
    return ((name, rule) for name, on, rule in every if on)


def _in_script(text: str, language: str, script: str) -> str:
    known = language.lower().partition("-")[0] in transliterate.LANGUAGES
    return transliterate.convert(text, script) if known else text


_LIGATURES = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "ǆ": "dž", "ǅ": "Dž", "Ǆ": "DŽ"}
    | {"ǉ": "lj", "ǈ": "Lj", "Ǉ": "LJ", "ǌ": "nj", "ǋ": "Nj", "Ǌ": "NJ"}
)
_SPACE = re.compile(r"[^\S\n]+")
_NEWLINE = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Joiners that decide how Arabic and Indic letters are written, and so are none that nobody sees.
_JOINED = re.compile("(?<=[\u0600-\u07ff\u0900-\u0dff])[\u200c\u200d](?=[\u0600-\u07ff\u0900-\u0dff])")
_HELD = {"\u200c": "\ue001", "\u200d": "\ue002"}


def plain_characters(text: str) -> str:
    """Write one character in one way: NFC, ligatures in letters, one newline, no invisible characters.

    Half characters and U+FFFD, which no letter can be told from, go.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _NEWLINE.sub("\n", text)
    held = _JOINED.sub(lambda found: _HELD[found[0]], text)
    seen = re.sub("[\ud800-\udfff\ufffd]", " ", characters.visible(held))
    for joiner, stand_in in _HELD.items():
        seen = seen.replace(stand_in, joiner)
    return unicodedata.normalize("NFC", seen.translate(_LIGATURES))


_APOSTROPHES = re.compile("[’‘ʼʹ`´′＇‛]")
_QUOTES = re.compile("[“”„‟«»‹›〝〞＂]")
_DASHES = re.compile(r"\s*[–—―]\s*|\s+-+\s+|--+")
_HYPHENS = re.compile("[‐‑⁃]")
_DOTS = re.compile(r"…|\.{3,}")


def plain_punctuation(text: str) -> str:
    r"""Write quotes, apostrophes, dashes and dots in one way, and none of them twice in a row.

    >>> plain_punctuation("„Što?!!“ – reče… l’amour")
    '"Što?!" - reče... l\'amour'
    """
    text = _HYPHENS.sub("-", _APOSTROPHES.sub("'", _QUOTES.sub('"', text)))
    text = re.sub(r"'{2,}", '"', _DASHES.sub(" - ", text))
    text = re.sub(r"([!?,;:])\1+", r"\1", _DOTS.sub("...", text))
    return re.sub(r"[^\S\n]+([,;:!?.])(?![.\w])", r"\1", text)


_SYMBOLS = {"sr": ("i", "plus", "odsto"), "hr": ("i", "plus", "posto"), "bs": ("i", "plus", "posto")}
_SYMBOLS |= {"en": ("and", "plus", "percent"), "de": ("und", "plus", "Prozent"), "fr": ("et", "plus", "pour cent")}
_INNER = re.compile(r"(?<=\w)['-](?=\w)")


def without_punctuation(text: str, language: str) -> str:
    """Leave letters, marks, figures, spaces, and apostrophes and hyphens inside words; & and + are said if they can be.

    >>> without_punctuation("Rock & roll, što-šta: l’amour!", "hr").split()
    ['Rock', 'i', 'roll', 'što-šta', "l'amour"]
    """
    text = _HYPHENS.sub("-", _APOSTROPHES.sub("'", text))
    said = _SYMBOLS.get(language.lower().partition("-")[0])
    if said:
        for symbol, word in zip("&+%", said, strict=True):
            text = text.replace(symbol, f" {word} ")
    inner = {found.start() for found in _INNER.finditer(text)}
    return "".join(char if _sounds(char) or char == "\n" or i in inner else " " for i, char in enumerate(text))


def _sounds(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN" or char in "\u200c\u200d"


def lower(text: str, language: str) -> str:
    """Make letters small; in Turkish and Azerbaijani, İ is i and I is ı."""
    if language.lower().partition("-")[0] in ("tr", "az"):
        text = text.replace("İ", "i").replace("I", "ı")
    return unicodedata.normalize("NFC", text.lower())


def spaced(text: str) -> str:
    """One space between words, none at the ends of lines, and no empty line."""
    rows = (_SPACE.sub(" ", row).strip() for row in text.split("\n"))
    return "\n".join(row for row in rows if row)
