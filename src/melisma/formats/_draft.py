"""What readers find, before it is an alignment: words with times as the file gives them, then put in order, once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from melisma.core.errors import FormatError
from melisma.core.records import BACKING, LEAD, Alignment, Line, TimedLine, Word
from melisma.formats._clock import LIMIT_MS

LINE_TIMES = "the file times lines, not words: a word carries the span in which it is sung"
OPEN_END_MS = 2000  # what is assumed for the last line of a file that gives starts only
OPEN_END = "the file does not say when a line ends and nothing follows it: 2 seconds are assumed"
LINE_PAUSE_MS = 1500  # line_gap_threshold_ms of the karaoke specification
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}")


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word and its times in ms; both None where it has none."""

    text: str
    start: int | None = None
    end: int | None = None
    confidence: float | None = None
    voice: int = LEAD


@dataclass(frozen=True, slots=True)
class DraftLine:
    """The words of a line in reading order, and the stanza that they stand in."""

    words: tuple[TimedWord, ...]
    stanza: int = 0


def spread(text: str, start: int | None, end: int | None) -> tuple[TimedWord, ...]:
    """Give every word of a text the span of the whole: where it lies inside is not known, and not made up."""
    return tuple(TimedWord(word, start, end) for word in text.split())


def language_or_und(text: str) -> str:
    """Return a language tag as it stands if it looks like one, else "und"."""
    return text.strip() if _LANGUAGE.fullmatch(text.strip()) else "und"


def assemble(
    format_name: str,
    lines: Iterable[DraftLine],
    *,
    duration: int = 0,
    language: str = "und",
    warnings: Iterable[str] = (),
) -> Alignment:
    """Make an alignment that passes `check()` of whatever a reader found.

    Lines without words are left out. A word that begins before the word of its line and voice in front of it is moved
    to begin with it, and a word that ends before it begins ends there; both leave a warning. The duration, in ms, grows
    to the last end.

    Raises
    ------
    FormatError
        If a time lies beyond 1000 hours.
    """
    words: list[Word] = []
    kept: list[Line] = []
    longest, moved, stanza = duration, 0, -1
    previous_stanza: int | None = None
    for line in lines:
        if not line.words:
            continue
        first = len(words)
        last = {LEAD: 0, BACKING: 0}
        for word in line.words:
            placed = _placed(word, last[word.voice])
            moved += placed.start is not None and (placed.start, placed.end) != (word.start, word.end)
            words.append(Word(word.text, len(kept), placed.start, placed.end, word.confidence, voice=word.voice))
            if placed.start is not None and placed.end is not None:
                last[word.voice], longest = placed.start, max(longest, placed.end)
        stanza += line.stanza != previous_stanza
        previous_stanza = line.stanza
        kept.append(Line(first, len(words), stanza))
    if longest > LIMIT_MS:
        raise FormatError(format_name, "a time lies beyond 1000 hours")
    notes = list(warnings)
    if moved:
        notes.append(f"{moved} word(s) began before the word in front or ended before they began; they were moved")
    return Alignment(tuple(words), tuple(kept), longest, language=language, warnings=tuple(notes))


def _placed(word: TimedWord, last: int) -> TimedWord:
    if word.start is None or word.end is None:
        return replace(word, start=None, end=None)
    start = max(word.start, last)
    return replace(word, start=start, end=max(word.end, start))


def as_timed_line(words: Sequence[TimedWord], start: int | None, end: int | None, exact: bool) -> TimedLine:
    """Make a lyrics line; word starts are given only where the file times words (`exact`)."""
    starts = tuple(word.start for word in words) if exact else ()
    return TimedLine(" ".join(word.text for word in words), start, end, starts)


def timed_rows(rows: Iterable[Sequence[TimedWord]], start: int, end: int, exact: bool) -> list[TimedLine]:
    """Make lyrics lines of the rows of a cue; where no word has its time, those between the rows are not known."""
    kept = [words for words in rows if words]
    found: list[TimedLine] = []
    for i, words in enumerate(kept):
        if exact:
            starts = [word.start for word in words if word.start is not None]
            ends = [word.end for word in words if word.end is not None]
            found.append(as_timed_line(words, min(starts, default=None), max(ends, default=None), exact=True))
        else:
            last = i == len(kept) - 1
            found.append(as_timed_line(words, start if i == 0 else None, end if last else None, exact=False))
    return found


def by_pauses(words: Sequence[TimedWord]) -> list[DraftLine]:
    """Break words without lines into lines, wherever nothing is sung for 1.5 seconds."""
    lines: list[list[TimedWord]] = []
    last: int | None = None
    for word in words:
        pause = word.start - last if word.start is not None and last is not None else 0
        if not lines or pause >= LINE_PAUSE_MS:
            lines.append([])
        lines[-1].append(word)
        last = word.end if word.end is not None else last
    return [DraftLine(tuple(line)) for line in lines]


def joined(pieces: Iterable[TimedWord]) -> tuple[TimedWord, ...]:
    """Make words of timed runs of text: runs that no whitespace parts are syllables of one word."""
    words: list[TimedWord] = []
    glued = False
    for piece in pieces:
        parts = piece.text.split()
        continues = glued and bool(parts) and not piece.text[0].isspace()
        for k, part in enumerate(parts):
            if k == 0 and continues:
                words.append(_continued(words.pop(), part, piece))
            else:
                words.append(TimedWord(part, piece.start, piece.end, voice=piece.voice))
        if piece.text:
            glued = bool(parts) and not piece.text[-1].isspace()
    return tuple(words)


def _continued(word: TimedWord, part: str, piece: TimedWord) -> TimedWord:
    if piece.start is None or piece.end is None:
        return replace(word, text=word.text + part)
    if word.start is None or word.end is None:
        return replace(word, text=word.text + part, start=piece.start, end=piece.end)
    return replace(word, text=word.text + part, end=max(word.end, piece.end))
