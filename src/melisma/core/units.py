"""The units contract: what an engine timed by itself, put on one clock, or refused for what it cannot be.

`Heard` says outright what its numbers count. Here they become integer ticks of the recording's clock, in exact
arithmetic; numbers that cannot be what they are said to be (seconds called milliseconds, frames called seconds, times
beyond the recording, times that run backwards) are a `UnitsError`, never a guess. What is mended, a small overhang or
overlap, is counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from numbers import Real
from statistics import median
from typing import NoReturn

from melisma.core.errors import UnitsError
from melisma.core.records import Heard, HeardWord
from melisma.core.timebase import MILLISECONDS, SECONDS, Timebase


@dataclass(frozen=True, slots=True)
class UnitLimits:
    """What is mended and what is refused; all in seconds.

    The fastest rappers and talkers on record say 12 to 14 words a second over some seconds; the longest notes held on
    records stay below half a minute, which is also the window of Whisper's models.
    """

    overhang_s: float = 0.5  # a word may end so far behind the recording: clipped
    backstep_s: float = 0.2  # a word may begin so far in front of the one before it: moved to it
    overlap_s: float = 1.0  # a word may end so far behind the beginning of the next: cut there
    longest_s: float = 31.0  # where the typical word lasts longer, the unit is wrong
    held_s: float = 12.0  # the same, of three words and more
    crowded_share: float = 1 / 8  # of the recording; where all words stand within its first such part …
    crowded_s: float = 0.06  # … and follow each other faster than this, or …
    shortest_s: float = 0.01  # … none lasts so long, the unit is wrong too


@dataclass(frozen=True, slots=True)
class ClockWord:
    """A word on the recording's clock: start and end in ticks, 0 ≤ start ≤ end ≤ duration."""

    text: str
    start: int
    end: int
    confidence: float | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Clocked:
    """Words in order of time, none overlapping the next; how many were clipped or mended to be so."""

    words: tuple[ClockWord, ...]
    duration: int  # ticks of `timebase`
    timebase: Timebase
    language: str = "und"
    breaks: tuple[int, ...] = ()  # words that begin a segment, ascending
    n_clipped: int = 0  # words that hung over the end of the recording
    n_mended: int = 0  # words that overlapped a neighbour, or began a little before the one in front of them


def to_clock(
    heard: Heard, duration: int, timebase: Timebase = MILLISECONDS, limits: UnitLimits | None = None
) -> Clocked:
    """Put what an engine heard on the clock of the recording.

    Parameters
    ----------
    heard : Heard
        Words with times in ticks of `heard.unit`.
    duration : int
        Length of the recording in ticks of `timebase`.
    timebase : Timebase
        The clock that is wanted.
    limits : UnitLimits, optional
        What to mend and what to refuse.

    Raises
    ------
    UnitsError
        If the numbers cannot be what they are said to be; the sentence names a word and its numbers.
    """
    limits = limits or UnitLimits()
    if not isinstance(heard.unit, Timebase):
        raise UnitsError(
            f"an engine gave times in {heard.unit!r}, which is no clock: frames need a Timebase that says how many "
            "samples each of them lasts"
        )
    for i, word in enumerate(heard.words):
        _check_word(i, word)
    length = Fraction(duration * timebase.stride, timebase.sample_rate)
    seconds = [_seconds(word, heard.unit) for word in heard.words]
    _check_unit(heard, seconds, float(length), limits)
    _check_ends(heard, seconds, length, limits)
    ticks = [(_tick(start, timebase), _tick(end, timebase)) for start, end in seconds]
    return _mended(heard, ticks, duration, timebase, limits)


def _check_word(i: int, word: HeardWord) -> None:
    """Refuse what is no time at all."""
    for name, value in (("start", word.start), ("end", word.end)):
        if isinstance(value, bool) or not isinstance(value, Real) or not _finite(value):
            raise UnitsError(f"{_name(i, word)} has the {name} {_short(value)}, which is no time")
    if word.confidence is not None and not 0 <= word.confidence <= 1:  # false of NaN too
        raise UnitsError(f"{_name(i, word)} has the confidence {_short(word.confidence)}, which is not within 0 and 1")
    if word.start < 0:
        raise UnitsError(f"{_name(i, word)} starts at {_short(word.start)}, before the recording")
    if word.end < word.start:
        raise UnitsError(f"{_name(i, word)} ends at {_short(word.end)}, before it starts at {_short(word.start)}")


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int of more than 308 digits
        return False


def _seconds(word: HeardWord, unit: Timebase) -> tuple[Fraction, Fraction]:
    tick = Fraction(unit.stride, unit.sample_rate)
    return Fraction(float(word.start)) * tick, Fraction(float(word.end)) * tick


def _tick(seconds: Fraction, timebase: Timebase) -> int:
    """Return the nearest tick, halves up."""
    return math.floor(seconds * timebase.sample_rate / timebase.stride + Fraction(1, 2))


def _check_unit(heard: Heard, seconds: Sequence[tuple[Fraction, Fraction]], length: float, limits: UnitLimits) -> None:
    """Refuse words that nobody could sing at that speed, which is what a wrong unit looks like."""
    if not seconds:
        return
    starts = [float(start) for start, _ in seconds]
    lengths = [float(end) - start for (_, end), start in zip(seconds, starts, strict=True)]
    held = limits.held_s if len(lengths) > 2 else limits.longest_s
    if median(lengths) > held:
        _refuse_unit(heard, lengths, f"the typical word lasts {median(lengths):.1f} s")
    packed = float(seconds[-1][1]) <= limits.crowded_share * length
    if packed and 0 < max(lengths) < limits.shortest_s:
        _refuse_unit(heard, lengths, f"no word lasts longer than {1000 * max(lengths):.2f} ms")
    if len(starts) < 4 or not packed:
        return
    pace = median(abs(b - a) for a, b in pairwise(starts))
    if pace < limits.crowded_s:
        where = f"within the first {float(seconds[-1][1]):.3f} s of {length:.3f} s"
        _refuse_unit(heard, lengths, f"{len(starts)} words follow each other every {1000 * pace:.1f} ms {where}")


def _refuse_unit(heard: Heard, lengths: Sequence[float], finding: str) -> NoReturn:
    i = max(range(len(lengths)), key=lengths.__getitem__)
    word = heard.words[i]
    raise UnitsError(
        f"{finding} if the times of {_name(i, word)}, {_short(word.start)} to {_short(word.end)}, are "
        f"{_unit_name(heard.unit)}: the unit is wrong"
    )


def _check_ends(
    heard: Heard, seconds: Sequence[tuple[Fraction, Fraction]], length: Fraction, limits: UnitLimits
) -> None:
    """Refuse words beyond the end of the recording."""
    if not seconds:
        return
    i = max(range(len(seconds)), key=lambda k: seconds[k][1])
    end = seconds[i][1]
    if end <= length + Fraction(limits.overhang_s):
        return
    hint = ""
    if heard.unit == SECONDS and end <= 1000 * (length + Fraction(limits.overhang_s)) and end > 5 * length:
        hint = ": they look like milliseconds or frames"
    raise UnitsError(
        f"{_name(i, heard.words[i])} ends at {float(end):.3f} s, the recording at {float(length):.3f} s, if its times "
        f"are {_unit_name(heard.unit)}{hint}"
    )


def _mended(
    heard: Heard, ticks: list[tuple[int, int]], duration: int, timebase: Timebase, limits: UnitLimits
) -> Clocked:
    """Clip overhangs, mend small steps back and overlaps, refuse large ones."""
    clipped, mended = set[int](), set[int]()
    backstep, overlap = timebase.ticks(limits.backstep_s), timebase.ticks(limits.overlap_s)
    words: list[ClockWord] = []
    for i, ((start, end), word) in enumerate(zip(ticks, heard.words, strict=True)):
        if end > duration:
            start, end = min(start, duration), duration
            clipped.add(i)
        if words and start < words[-1].start:
            if words[-1].start - start > backstep:
                before = timebase.seconds(words[-1].start)
                raise UnitsError(
                    f"{_name(i, word)} starts at {timebase.seconds(start):.3f} s, before the word in front of it at "
                    f"{before:.3f} s: the times run backwards"
                )
            start = words[-1].start
            end = max(start, end)
            mended.add(i)
        if words and start < words[-1].end:
            if words[-1].end - start > overlap:
                raise UnitsError(
                    f"{_name(i - 1, heard.words[i - 1])} ends at {timebase.seconds(words[-1].end):.3f} s, long after "
                    f"the next word starts at {timebase.seconds(start):.3f} s"
                )
            words[-1] = replace(words[-1], end=start)
            mended.add(i - 1)
        words.append(ClockWord(word.text, start, end, word.confidence, word.index))
    breaks = tuple(sorted({b for b in heard.breaks if 0 <= b < len(words)}))
    return Clocked(
        tuple(words), duration, timebase, heard.language, breaks, n_clipped=len(clipped), n_mended=len(mended)
    )


def _unit_name(unit: Timebase) -> str:
    if unit == SECONDS:
        return "seconds"
    if unit == MILLISECONDS:
        return "milliseconds"
    return f"frames of {unit.stride} samples at {unit.sample_rate} Hz"


def _name(i: int, word: HeardWord) -> str:
    return f"word {i} ({_short(word.text)})"


def _short(value: object) -> str:
    """Write a value of an engine so that the sentence stays one."""
    try:
        text = f"{value:g}" if isinstance(value, float) else repr(value)
    except ValueError:  # an int of more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= 40 else f"{text[:39]}…"
