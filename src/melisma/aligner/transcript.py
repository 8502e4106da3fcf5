"""Lyrics made of what was heard, where nobody knows the words: lines by pauses, segments and length."""

from __future__ import annotations

from dataclasses import dataclass

from melisma.core.records import Heard, LyricLine, Lyrics, Word
from melisma.core.timebase import MILLISECONDS, Timebase
from melisma.core.units import Clocked, ClockWord, to_clock

_ENDS = ".!?…。！？"
_PAUSES = ",;:—،、，"


@dataclass(frozen=True, slots=True)
class TranscriptConfig:
    """Where lines and stanzas break; the first number is the one of the document on karaoke."""

    line_gap_s: float = 1.5  # of silence between two words
    stanza_gap_s: float = 6.0
    most_words: int = 12  # in a line
    most_characters: int = 60


def transcript(
    heard: Heard,
    duration: int,
    timebase: Timebase = MILLISECONDS,
    config: TranscriptConfig | None = None,
) -> tuple[Lyrics, tuple[Word, ...]]:
    """Make lyrics of heard words, and time each of them.

    Parameters
    ----------
    heard : Heard
        Words with their times.
    duration : int
        Length of the recording in ticks of `timebase`.
    timebase : Timebase
        The clock of the words that come out.
    config : TranscriptConfig, optional
        Where lines break: at pauses, at the engine's segments, and inside of what would be too long for one line.

    Returns
    -------
    Lyrics
        Without lines where nothing was heard.
    tuple of Word
        Its words in order, each timed; starts never go back, no word overlaps the next.

    Raises
    ------
    UnitsError
        If the times cannot be what the engine says they are.
    """
    config = config or TranscriptConfig()
    clocked = to_clock(heard, duration, timebase)
    words, opening = _single_words(clocked)
    lines: list[LyricLine] = []
    placed: list[Word] = []
    stanza, last_end = 0, None
    for line in _lines(words, opening, timebase, config):
        if last_end is not None and line[0].start - last_end >= timebase.ticks(config.stanza_gap_s):
            stanza += 1
        last_end = line[-1].end
        placed += [Word(w.text, len(lines), w.start, w.end, w.confidence, timebase) for w in line]
        lines.append(LyricLine(tuple(w.text for w in line), stanza))
    return Lyrics(tuple(lines)), tuple(placed)


def _single_words(clocked: Clocked) -> tuple[list[ClockWord], set[int]]:
    """Cut texts at their spaces, time by letters; return the words, and those that open a segment."""
    words: list[ClockWord] = []
    opening: set[int] = set()
    breaks = set(clocked.breaks)
    pending = False
    for i, word in enumerate(clocked.words):
        pending = pending or i in breaks
        parts = word.text.split()
        if not parts:
            continue
        if pending:
            opening.add(len(words))
            pending = False
        total, at = sum(map(len, parts)), 0
        length = word.end - word.start
        for part in parts:
            begin = word.start + length * at // total
            at += len(part)
            words.append(ClockWord(part, begin, word.start + length * at // total, word.confidence))
    return words, opening


def _lines(
    words: list[ClockWord], opening: set[int], timebase: Timebase, config: TranscriptConfig
) -> list[list[ClockWord]]:
    """Break words into lines."""
    gap = timebase.ticks(config.line_gap_s)
    lines: list[list[ClockWord]] = []
    for i, word in enumerate(words):
        if not lines or i in opening or word.start - words[i - 1].end > gap:
            lines.append([])
        lines[-1].append(word)
    return [short for line in lines for short in _shortened(line, config)]


def _shortened(line: list[ClockWord], config: TranscriptConfig) -> list[list[ClockWord]]:
    """Break a line that is too long where it breaks best, until none is."""
    waiting, done = [line], []
    while waiting:
        part = waiting.pop()
        if len(part) < 2 or (len(part) <= config.most_words and _width(part) <= config.most_characters):
            done.append(part)
            continue
        at = max(range(1, len(part)), key=lambda i: _breaks_well(part, i))
        waiting += [part[at:], part[:at]]
    return done


def _width(line: list[ClockWord]) -> int:
    return sum(len(word.text) + 1 for word in line) - 1


def _breaks_well(line: list[ClockWord], at: int) -> float:
    """Return how good a break in front of a word is: after a stop, at a pause, near the middle."""
    before = line[at - 1].text
    stop = 1.0 if before.endswith(tuple(_ENDS)) else 0.6 if before.endswith(tuple(_PAUSES)) else 0.0
    length = max(1, line[-1].end - line[0].start)
    pause = (line[at].start - line[at - 1].end) / length
    off_centre = abs(2 * at / len(line) - 1)
    return stop + 4 * pause - 1.2 * off_centre
