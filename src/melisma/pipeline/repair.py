"""Weak stretches of an alignment: found between trusted lines, cut out for another engine, merged where it is surer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from melisma.core.records import LEAD, LyricLine, Lyrics, Waveform, Word
from melisma.core.timebase import Timebase
from melisma.pipeline.listen import Placed, Task

# The mean of a line's confidences from which on it is trusted: below 0.5 a start is likelier wrong than right.
_TRUSTED = 0.5
# From this share of weak lines on nothing holds the rest in its place: the whole song goes to the next engine.
_TOO_MANY = 0.5
# What a trusted line may be off by at its ends.
_MARGIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """Lines [first, stop) that are doubted, and the time from the trusted line before them to the one after them."""

    first: int
    stop: int
    start_s: float
    end_s: float

    @property
    def named(self) -> str:
        """The lines as people count them."""
        return f"line {self.stop}" if self.stop == self.first + 1 else f"lines {self.first + 1} to {self.stop}"


def stretches(placed: Placed) -> tuple[Stretch, ...]:
    """Find the weak stretches of an alignment that the gate has refused; none where most of its lines are weak.

    Weak is a line whose words are doubtful, and one that is called unsung: it may be that the engine did not hear it.
    """
    trusted = [(line_confidence(placed.words[line.first : line.stop]) or 0.0) >= _TRUSTED for line in placed.lines]
    if sum(trusted) < (1 - _TOO_MANY) * len(trusted):
        return ()
    found: list[Stretch] = []
    for good, run in groupby(range(len(trusted)), trusted.__getitem__):
        lines = list(run)
        start_s, end_s = _between(placed, lines[0], lines[-1] + 1)
        if not good and end_s > start_s:  # not where lines are sung in another order
            found.append(Stretch(lines[0], lines[-1] + 1, start_s, end_s))
    return tuple(found)


def line_confidence(words: Sequence[Word]) -> float | None:
    """Return the mean confidence of the words that are sung, or None where none has any."""
    known = [word.confidence for word in words if word.confidence is not None and not word.unsung]
    return sum(known) / len(known) if known else None


def cut(task: Task, stretch: Stretch) -> Task:
    """Return the task of a stretch alone: its lines, and the recording from the line before it to the one after it.

    Times that came with the lyrics are moved onto the clock of the stretch; one that lies before it says nothing there.
    """
    if task.lyrics is None:
        raise ValueError("a song without lyrics has no lines to repair")
    rate = task.waveform.sample_rate
    samples = task.waveform.samples[int(stretch.start_s * rate) : int(stretch.end_s * rate)]
    lines = tuple(_hinted(line, stretch.start_s) for line in task.lyrics.lines[stretch.first : stretch.stop])
    return replace(task, waveform=Waveform(samples, rate), lyrics=Lyrics(lines))


def _hinted(line: LyricLine, start_s: float) -> LyricLine:
    """Put the times that came with a line on a clock that begins at `start_s`."""
    begun = round(1000 * start_s)

    def moved(ms: int | None) -> int | None:
        return None if ms is None or ms < begun else ms - begun

    words = tuple(moved(ms) for ms in line.word_starts_ms)
    return replace(line, start_ms=moved(line.start_ms), end_ms=moved(line.end_ms), word_starts_ms=words)


def merge(placed: Placed, stretch: Stretch, other: Placed) -> Placed | None:
    """Put what another engine made of a stretch into an alignment, if it is surer of it; None if it is not.

    Where words were called unsung it must be sure enough to be trusted: a line that nobody sings is easily invented.

    Parameters
    ----------
    placed : Placed
        The alignment of the song.
    stretch : Stretch
        The lines that `other` holds.
    other : Placed
        Words of these lines, on a clock that begins where the stretch does.
    """
    first, stop = placed.lines[stretch.first].first, placed.lines[stretch.stop - 1].stop
    before = placed.words[first:stop]
    moved = tuple(_moved(word, stretch, other.clock, placed) for word in other.words)
    needed = _TRUSTED if any(word.unsung for word in before) else 0.0
    if [word.text for word in moved] != [word.text for word in before]:
        return None
    if _sureness(moved) <= _sureness(before) or _sureness(moved) < needed:
        return None
    words = (*placed.words[:first], *moved, *placed.words[stop:])
    said = f"{stretch.named} placed by {other.facts.name} ({other.facts.model_id})"
    return replace(placed, words=words, warnings=(*placed.warnings, said))


def _between(placed: Placed, first: int, stop: int) -> tuple[float, float]:
    """Return the end of the line before lines [first, stop) and the start of the line after them, in seconds."""
    head = placed.words[: placed.lines[first].first]
    tail = placed.words[placed.lines[stop - 1].stop :]
    ends = [word.end_s for word in head if word.voice == LEAD and word.end_s is not None]
    starts = [word.start_s for word in tail if word.voice == LEAD and word.start_s is not None]
    duration_s = placed.clock.seconds(placed.duration)
    start_s = max(ends[-1] - _MARGIN_S, 0.0) if ends else 0.0
    end_s = min(starts[0] + _MARGIN_S, duration_s) if starts else duration_s
    return start_s, end_s


def _sureness(words: Sequence[Word]) -> float:
    """Return the mean confidence of words, where one that is unsung, or without any, counts as 0."""
    return sum(word.confidence or 0.0 for word in words if not word.unsung) / len(words)


def _moved(word: Word, stretch: Stretch, clock: Timebase, placed: Placed) -> Word:
    """Put a word of a stretch on the clock of the song."""
    line = word.line + stretch.first
    if word.start is None or word.end is None:
        return replace(word, line=line, timebase=placed.clock)
    offset_s = int(stretch.start_s * clock.sample_rate) / clock.sample_rate  # where the recording was cut
    start, end = (placed.clock.ticks(offset_s + clock.seconds(tick)) for tick in (word.start, word.end))
    end = min(end, placed.duration)
    return replace(word, line=line, start=min(start, end), end=end, timebase=placed.clock)
