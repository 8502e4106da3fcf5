"""Lines of an alignment as cues on a screen, and words without overlap, for the formats that cannot hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from melisma.core.records import Alignment, Word
from melisma.formats._characters import clean
from melisma.formats._draft import TimedWord
from melisma.formats._sung import is_backing


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown together, by index, at most one of them timed; times in ms."""

    start: int
    end: int
    lines: tuple[int, ...]


def cues(alignment: Alignment) -> tuple[Cue, ...]:
    """Give every timed line a cue; a line without any time is shown with the line in front, or else the one behind.

    Where no line has a time, one cue holds them all from 0 to the end of the recording.
    """
    found: list[Cue] = []
    waiting: tuple[int, ...] = ()
    for i in range(len(alignment.lines)):
        span = alignment.line_ms(i)
        if span is not None:
            found.append(Cue(span[0], span[1], (*waiting, i)))
            waiting = ()
        elif found:
            last = found[-1]
            found[-1] = Cue(last.start, last.end, (*last.lines, i))
        else:
            waiting = (*waiting, i)
    if waiting:
        found.append(Cue(0, alignment.duration_ms, waiting))
    return tuple(found)


def words_of(alignment: Alignment, cue: Cue) -> tuple[Word, ...]:
    """Return the words of all lines of a cue."""
    return tuple(word for i in cue.lines for word in alignment.line_words(i))


def is_of_backing(alignment: Alignment, cue: Cue) -> bool:
    """Whether the line of a cue that has its time is of the backing voice, whatever lines without a time go with it."""
    words = words_of(alignment, cue)
    return is_backing([word for word in words if not word.unsung] or words)


def without_overlap(words: Sequence[Word]) -> tuple[TimedWord, ...]:
    """Round to ms, replace what no text file holds, and end each word no later than the next timed one starts.

    A word ends no earlier than it starts, whatever the order of the words.
    """
    clipped: list[TimedWord] = []
    next_start: int | None = None
    for word in reversed(words):
        start, end = word.start_ms, word.end_ms
        if start is not None and end is not None:
            end = end if next_start is None else max(start, min(end, next_start))
            next_start = start
        clipped.append(TimedWord(clean(word.text), start, end, word.confidence, word.voice))
    return tuple(reversed(clipped))
