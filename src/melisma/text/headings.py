"""Headings of sections: `[Chorus]`, `(Verse 2: Name)`, `Refrain:`. What they may look like, and their words.

Square brackets around a whole line always make a heading. Round ones, a colon or nothing at all do so only around a
word of the table below, for `(oh oh oh)` and `Chorus of angels` are sung.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cache

from melisma.text.repeats import count_of

# Words that are headings even where they stand bare on the first line of a section: nobody sings them alone.
_PLAIN = """
chorus choruses pre-chorus prechorus post-chorus postchorus verse refrain pre-refrain intro outro interlude
couplet pré-refrain prérefrain pré-couplet
strophe kehrreim zwischenspiel
estribillo estrofa pre-coro precoro pre-estribillo preestribillo
ritornello strofa pre-ritornello
refrão pré-refrão estrofe
refren predrefren pre-refren kitica pripjev pripev
zwrotka refrén sloka sloha předrefrén versszak strofă
refrein tussenspel refräng förrefräng refreng omkvæd refræn kertosäe säkeistö
nakarat рефрен строфа припев предприпев куплет приспів передприспів ρεφρέν ρεφραίν κουπλέ στροφή
サビ aメロ bメロ cメロ 副歌 主歌 前奏 間奏 间奏 後奏 후렴 간주
"""
# Words that are headings in brackets, with a number, or in front of a colon with nothing behind it.
_LOOSE = """
bridge hook solo breakdown coda instrumental vamp skit adlib ad-lib adlibs ad-libs guitar-solo piano-solo sax-solo
drum-solo instrumental-break instrumental-solo instrumental-bridge guitar-break fade-out
instrumental-interlude guitar-interlude musical-interlude final-chorus last-chorus pre-hook post-hook
pont introduction solo-de-guitare vers brücke vorspiel nachspiel coro verso puente introducción ponte introduzione
strumentale assolo introdução most uvod brug brygga mellanspel ref köprü
бридж проигрыш вступление кода соло инструментал проигриш wstęp przygrywka γέφυρα εισαγωγή
"""

_SQUARE = "[［【〔"
_GROUPS = re.compile(r"(?:[\[［【〔][^\[\]［］【】〔〕]*[\]］】〕]\s*)+[:：]?")
_GROUP = re.compile(r"[\[［【〔]([^\[\]［］【】〔〕]*)[\]］】〕]")
_LEADING = re.compile(r"\s*[\[［【〔]([^\[\]［］【】〔〕]{1,80})[\]］】〕]\s*[:：]?(?=\s)")
_ROUND = re.compile(r"[(（]([^()（）]*)[)）]\s*[:：]?")
_NUMBER = r"(?:\d{1,2}|[ivxIVX]{1,4}|[a-dA-D]|one|two|three|four)"
_ORDINAL = r"(?P<before>\d{1,2})(?:\.|st|nd|rd|th|er|e|ère|ème|º|ª)?[\s.-]+"
_NUMBERED = re.compile(rf"(?:{_ORDINAL})?(?P<word>.+?)(?:[\s#.-]+(?P<after>{_NUMBER}))?")
_LONGEST = 120  # characters of a heading that stands in no square brackets
_AGAIN = re.compile(r"(?:repeat|répéter|repetir|ripetere|wiederholen|ponovi|powtórz|повторить)\s+(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: the name of its section, how often the section is sung, whether it calls an earlier one back."""

    name: str
    times: int = 1
    counted: bool = False  # the heading says how often
    again: bool = False  # "[Repeat Chorus]"
    length: int | None = None  # characters of the line that it takes; None for all of them


def _key(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip(" .-–—*").casefold()


@cache
def _words() -> tuple[frozenset[str], frozenset[str]]:
    plain = frozenset(_key(word.replace("-", " ")) for word in _PLAIN.split())
    return plain, plain | frozenset(_key(word.replace("-", " ")) for word in _LOOSE.split())


def _known(text: str, *, bare: bool) -> bool:
    """Whether the text is a heading's word with or without a number; bare ones must have it or be plain."""
    found = _NUMBERED.fullmatch(_key(text)) if len(text) <= _LONGEST else None
    if found is None:
        return False
    plain, every = _words()
    word = found["word"].replace("-", " ")
    if bare and not (found["before"] or found["after"]):
        return word in plain
    return word in every


def _made(content: str, length: int | None = None) -> Heading:
    again = _AGAIN.fullmatch(content.strip())
    rest, times = count_of(again[1] if again else content)
    name = _key(re.split(r"[:：]", rest, maxsplit=1)[0])
    return Heading(name, times or 1, times is not None, again is not None, length)


def _plainly(content: str) -> bool:
    """Whether what stands in brackets is a heading of the table: "Chorus", "Verse 2: Name", "Refrain x2"."""
    again = _AGAIN.fullmatch(content.strip())
    rest, _ = count_of(again[1] if again else content)
    return _known(re.split(r"[:：]|\s[-–—]\s", rest, maxsplit=1)[0], bare=False)


def heading_of(line: str, *, first: bool) -> Heading | None:
    """Read a line as a heading, or return None for a sung line.

    Parameters
    ----------
    line : str
        A line without invisible characters, that is no repeat mark.
    first : bool
        Whether the line stands first in its section; only there does a bare "Chorus" count.
    """
    text = line.strip()
    if not text:
        return None
    if text[0] in _SQUARE:
        if _GROUPS.fullmatch(text):
            return _of_groups(text)
        trailing = _counted_outside(text)
        if trailing is not None:
            return trailing
        leading = _LEADING.match(line)
        if leading and _plainly(leading[1]):
            return _made(leading[1], leading.end())
        return None
    if len(text) > _LONGEST:
        return None
    rest, times = count_of(text)
    found = _ROUND.fullmatch(rest.strip())
    if found:
        if not _plainly(found[1]):
            return None
        made = _made(found[1])
        return replace(made, times=times or made.times, counted=times is not None or made.counted)
    return _unbracketed(line, rest.strip(), times, first=first)


def _of_groups(text: str) -> Heading:
    """Read "[Chorus]", "[Chorus] [x2]" and "[Verse 1] [Name]"."""
    contents = _GROUP.findall(text)
    made = _made(contents[0])
    for content in contents[1:]:
        rest, times = count_of(f"({content})")
        if times is not None and not rest.strip():
            return replace(made, times=times, counted=True)
    return made


def _counted_outside(text: str) -> Heading | None:
    """Read "[Chorus] x2" and "[Chorus] (x2)"."""
    if len(text) > _LONGEST:
        return None
    rest, times = count_of(text)
    if times is not None and _GROUPS.fullmatch(rest.strip()):
        return replace(_of_groups(rest.strip()), times=times, counted=True)
    return None


def _unbracketed(line: str, shown: str, times: int | None, *, first: bool) -> Heading | None:
    colon = re.match(r"([^:：]{1,40})[:：]", shown)
    if colon:
        word, counted = count_of(colon[1])
        behind = shown[colon.end() :].strip()
        counted = counted or times
        if not behind and _known(word, bare=False):
            return Heading(_key(word), counted or 1, counted is not None)
        offset = re.match(r"\s*[^:：]{1,40}[:：](?=\s)", line)
        if behind and offset and _known(word, bare=True):
            return Heading(_key(word), length=offset.end())
        return None
    again = _AGAIN.fullmatch(shown)
    if again and _known(again[1], bare=True):
        return Heading(_key(again[1]), times or 1, times is not None, True)
    if (first or times is not None) and _known(shown, bare=True):
        return Heading(_key(shown), times or 1, times is not None)
    return None
