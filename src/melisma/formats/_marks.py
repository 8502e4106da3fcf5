"""Text with time marks inside it, as enhanced LRC, WebVTT and ASS karaoke give it, to words with times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from melisma.core.records import BACKING
from melisma.formats._draft import TimedWord

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Mark:
    """A time, in ms, at a position of the plain text; an `unsung` mark says that what follows has no time."""

    at: int
    ms: int
    unsung: bool = False


def timed_words(text: str, marks: Sequence[Mark], end: int | None) -> list[TimedWord]:
    """Time the words of a text by the marks that stand in it.

    A word starts at the last mark at or before its first character and ends at the first mark at or after its last
    one, or at `end`; an unsung mark ends nothing. Words that share a mark share its span. A mark glued to the end
    of a word and to nothing behind it (``word<00:12.00> next``) only ends that word: what follows has no time until
    the next mark.

    Parameters
    ----------
    text : str
        Plain text, without markup.
    marks : sequence of Mark
        In order of position.
    end : int or None
        End of the last word in ms, where no mark says it.
    """
    opening: Mark | None = None
    found: list[TimedWord] = []
    i = j = 0
    for word in _WORD.finditer(text):
        while i < len(marks) and marks[i].at <= word.start():
            opening = None if marks[i].unsung or _only_ends(text, marks[i].at) else marks[i]
            i += 1
        while j < len(marks) and (marks[j].unsung or marks[j].at < word.end()):
            j += 1
        until = marks[j].ms if j < len(marks) else end
        if opening is None:
            found.append(TimedWord(word[0]))
        else:
            found.append(TimedWord(word[0], opening.ms, until))
    return found


def _only_ends(text: str, at: int) -> bool:
    return 0 < at < len(text) and not text[at - 1].isspace() and text[at].isspace()


def voiced(text: str, words: Sequence[TimedWord], backing: Sequence[tuple[int, int]]) -> list[TimedWord]:
    """Give the backing voice to the words of a text that begin inside one of the spans [start, stop) of it."""
    spans = iter(backing)
    span = next(spans, None)
    found: list[TimedWord] = []
    for spelt, word in zip(_WORD.finditer(text), words, strict=True):
        while span is not None and span[1] <= spelt.start():
            span = next(spans, None)
        inside = span is not None and span[0] <= spelt.start()
        found.append(replace(word, voice=BACKING) if inside else word)
    return found


def by_row(text: str, words: Sequence[TimedWord]) -> list[tuple[TimedWord, ...]]:
    r"""Deal the words of a text of several rows (``\n``) out to their rows."""
    dealt: list[tuple[TimedWord, ...]] = []
    at = 0
    for row in text.split("\n"):
        n_words = len(row.split())
        dealt.append(tuple(words[at : at + n_words]))
        at += n_words
    return dealt
