"""Where singers may pause inside a written line: between phrases.

A line of lyrics is often more than one breath. Singers pause at commas, before they sing the same words again, and
around sounds that are held rather than said: "ooh ooh" may take ten seconds each.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST_REPEAT = 6  # words
_STOPS = tuple(",;:.!?…–—，、。；：！？・")
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
# Open sounds of one syllable as people spell them: ah, ooh, whoa, hey, hm.
_HELD = re.compile(r"w?h?o+a*h+|w?h?o+a+|w?h?o{2,}|a+h+|e+h+|u+h+|hm+|m{2,}|hey+|ye+a+h+")


def phrase_begins(words: Sequence[str]) -> list[bool]:
    """Return which words of a line begin a phrase; the first one does.

    Examples
    --------
    >>> phrase_begins("and who wipes my tears my tears".split())
    [True, False, False, False, False, True, False]
    >>> phrase_begins("come, ooh ooh baby".split())
    [True, True, True, True]
    """
    plain = [_EDGES.sub("", word).casefold() for word in words]
    out = [True] + [False] * (len(words) - 1)
    inside = 0  # of what is sung again
    for i in range(1, len(words)):
        again = _again(plain, i) if i >= inside else 0
        inside = max(inside, i + again)
        out[i] = bool(again) or words[i - 1].endswith(_STOPS) or _held(plain[i - 1], plain[i])
    return out


def _held(before: str, word: str) -> bool:
    """Whether one of two neighbours is a held sound."""
    return bool(_HELD.fullmatch(before) or _HELD.fullmatch(word))


def _again(plain: Sequence[str], i: int) -> int:
    """Return how many words from `i` on are those in front of it once more; 0 if none."""
    longest = min(i, len(plain) - i, _LONGEST_REPEAT)
    found = [
        n for n in range(1, longest + 1) if list(plain[i - n : i]) == list(plain[i : i + n]) and any(plain[i : i + n])
    ]
    return max(found, default=0)
