"""Repeat marks: `(x2)`, `[x3]`, `x2`, `×2`, `(bis)`, `(3 times)`."""

from __future__ import annotations

import re

MOST = 20  # times that a line or a section is written out
_TIMES = r"times|time|fois|veces|vezes|volte|mal|keer|gånger|ganger|puta|raza|razy|раза|раз|рази|回|遍|번"
_NAMED = {"bis": 2, "ter": 3, "twice": 2, "thrice": 3, "repeat": 2, "deux fois": 2, "dos veces": 2, "due volte": 2}
_NUMBER = r"(?:[x×хХX*]\s*(?P<{0}1>\d{{1,4}})|(?P<{0}2>\d{{1,4}})\s*(?:[x×хХX](?!\w)|(?:{1})(?!\w)))"
_NAMES = "|".join(name.replace(" ", r"\s+") for name in sorted(_NAMED, key=len, reverse=True))
# In brackets of any kind: a number with x or "times", or a word; "repeat" may stand in front of the number.
BRACKETED = (
    r"[(\[（［]\s*(?:(?:repeat|répéter|rep\.?)\s*)?(?:"
    + _NUMBER.format("b", _TIMES)
    + rf"|(?P<name>{_NAMES}))\s*[)\]）］]"
)
# Without brackets only where nothing else can be meant: x2 and 2x in one piece.
BARE = r"(?<!\S)(?:[x×хХX](?P<c1>\d{1,3})|(?P<c2>\d{1,3})[x×хХX])(?!\S)"

COUNT = re.compile(rf"(?:{BRACKETED}|{BARE})", re.IGNORECASE)
_INSIDE = re.compile(BRACKETED + r"[.,;:!?…]*(?=\s|$)", re.IGNORECASE)
_AT_END = re.compile(BARE + r"\s*$", re.IGNORECASE)
_LOOSE_END = re.compile(r"[\s,(\[–—-]+(?:" + _NUMBER.format("d", _TIMES) + r")\s*$", re.IGNORECASE)


def _times(found: re.Match[str]) -> int:
    named = found.groupdict()
    name = named.pop("name", None)
    if name:
        return _NAMED[" ".join(name.lower().split())]
    return int(next(value for value in named.values() if value))


def marks(line: str) -> list[tuple[int, int, int]]:
    """Find the repeat marks of a line: first character, character behind the last, count. A mark of 0 is no mark."""
    found = [(m.start(), m.end(), _times(m)) for m in _INSIDE.finditer(line)]
    last = _AT_END.search(line)
    if last and _times(last) <= MOST:  # "x100" at the end of a line is a word
        found.append((last.start(), len(line.rstrip()), _times(last)))
    return [mark for mark in found if mark[2] > 0]


def count_of(text: str) -> tuple[str, int | None]:
    """Split a heading's count off: "Chorus x2" to ("Chorus", 2); None where it has none.

    >>> count_of("Chorus (x2)"), count_of("Verse 2"), count_of("Refrain - 3 fois")
    (('Chorus', 2), ('Verse 2', None), ('Refrain', 3))
    """
    for pattern in (COUNT, _LOOSE_END):
        for found in pattern.finditer(text):
            times = _times(found)
            if times > 0 and not text[found.end() :].strip(" :：."):
                return text[: found.start()].rstrip(" -–—,"), times
    return text, None
