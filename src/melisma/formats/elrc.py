"""Enhanced LRC: the start and end of every word, to the centisecond.

Written: ``[mm:ss.xx]<mm:ss.xx>word <mm:ss.xx>word<mm:ss.xx>``: a tag in front of every timed word, and one glued
behind a word that ends before the next one starts, behind the last word of a line, and in front of a word without a
time. Lines stand in the order in which they are sung; a backing group that overlaps its lead is a line of its own.

Read: what is written here, and the looser spellings in use (`` <00:12.00> word``, syllable tags inside words, no end
tag). A tag glued to the end of a word only ends it; words that share a tag share its span; words in front of the
first tag of a line have no time; a line without word tags is read as in `melisma.formats.lrc`. Lost: confidences,
voices, the order of the text, and the part of a word that overlaps the next one of its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from melisma.core.files import Format
from melisma.core.records import Alignment, TimedLine
from melisma.formats import _lrc_text as lrc_text
from melisma.formats._cues import without_overlap
from melisma.formats._draft import TimedWord
from melisma.formats._sung import in_sung_order


def write(alignment: Alignment) -> str:
    """Write an alignment as enhanced LRC text."""
    alignment = in_sung_order(alignment)
    lines = lrc_text.body(alignment, _spelt(alignment))
    return "\n".join([*lrc_text.header(alignment), *lines, ""])


def _spelt(alignment: Alignment) -> Iterator[str]:
    for i in range(len(alignment.lines)):
        words = without_overlap(alignment.line_words(i))
        starts = [word.start for word in words if word.start is not None]
        if not starts:
            yield lrc_text.plain(" ".join(word.text for word in words))
        else:
            yield f"[{lrc_text.clock(starts[0])}]{_tagged(words)}"


def _tagged(words: Sequence[TimedWord]) -> str:
    parts: list[str] = []
    for i, word in enumerate(words):
        text = lrc_text.plain(word.text)
        if word.start is None or word.end is None:
            parts.append(text)
            continue
        start, end = lrc_text.clock(word.start), lrc_text.clock(word.end)
        follower = words[i + 1].start if i + 1 < len(words) else None
        runs_on = follower is not None and lrc_text.clock(follower) == end
        parts.append(f"<{start}>{text}" + ("" if runs_on else f"<{end}>"))
    return " ".join(parts)


def read(text: str) -> Alignment:
    """Read enhanced LRC or LRC text."""
    return lrc_text.read("elrc", text)


def read_lines(text: str) -> tuple[TimedLine, ...]:
    """Read lyrics lines with the times of their words."""
    return lrc_text.read_lines("elrc", text)


FORMAT = Format(
    "elrc",
    (".elrc", ".enhanced.lrc"),
    "application/x-lrc",
    "enhanced LRC: word starts and ends",
    write,
    read,
    read_lines,
)
