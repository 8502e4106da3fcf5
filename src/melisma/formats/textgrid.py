"""Praat TextGrid: a tier of words and a tier of lines, to the millisecond.

Written in the long form: interval tiers ``words`` and ``lines``, and ``unsung`` where words have no time: on the
spans of ``lines``, it names their place among the words there, ``2:la 5:oh``. A line without any time is a further
row of the interval in front of it (or behind it, at the beginning); lines that start together share an interval, a
row each. What the backing voice sings stands in tiers of its own, ``backing words``, ``backing lines`` and ``backing
unsung``; lines of one voice that are sung into each other, in ``words 2``, ``lines 2`` and so on.

Intervals of a tier cannot overlap or be empty: a word ends no later than the next one starts, words that start
together share an interval and its end, and a word of no length lasts 1 ms. Lost: that, stanzas, confidences,
language, the order of the text.

Read: long and short text form. The words come from the tier ``words`` (or the first whose name holds "word", or the
first interval tier of all), the lines from ``lines`` where its text agrees with the words, else from its times (a
warning says so), else a new line begins after each pause of 1.5 seconds. The further tiers are read alike, and their
lines put among those of the first by time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from melisma.core.errors import FormatError
from melisma.core.files import Format
from melisma.core.records import BACKING, LEAD, Alignment
from melisma.formats._characters import clean, opened
from melisma.formats._clock import LIMIT_MS
from melisma.formats._cues import Cue, cues, is_of_backing, without_overlap, words_of
from melisma.formats._draft import DraftLine, TimedWord, assemble, by_pauses
from melisma.formats._sung import in_sung_order

_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*+)(?P<close>"|\Z)'
    r"|(?<!\S)(?P<number>[-+]?[0-9]{1,30}(?:\.[0-9]{0,40})?(?:[eE][-+]?[0-9]{1,4})?)(?!\S)"
    r"|(?P<flag><exists>|<absent>)|![^\n]*"
)
_LEAD, _BACKING = "", "backing "  # before the names of the tiers of that voice
_SUFFIXES = ("", *(f" {n}" for n in range(2, 10)))  # behind them, where lines of one voice are sung into each other
_PLACE = re.compile(r"([0-9]{1,9}):\S+")


@dataclass(frozen=True, slots=True)
class _Interval:
    """Times in ms and a label."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Tier:
    """A named tier of intervals; what Praat calls a TextTier, of points, is not kept."""

    name: str
    intervals: tuple[_Interval, ...]


def write(alignment: Alignment) -> str:
    """Write an alignment as TextGrid text, long form."""
    alignment = in_sung_order(alignment, "always")
    of_voice: dict[str, list[Cue]] = {_LEAD: [], _BACKING: []}
    for cue in cues(alignment):
        of_voice[_BACKING if is_of_backing(alignment, cue) else _LEAD].append(cue)
    tiers: list[tuple[str, Sequence[_Interval]]] = []
    for voice, of in of_voice.items():
        for suffix, some in zip(_SUFFIXES, _without_interleaving(alignment, of), strict=False):
            tiers += _tiers(alignment, some, voice, suffix)
    tiers = tiers or _tiers(alignment, (), _LEAD, "")
    length = max([alignment.duration_ms, 1, *(tier[-1].end for _, tier in tiers if tier)])
    return "".join(_spelt(tiers, length))


def _without_interleaving(alignment: Alignment, of: Sequence[Cue]) -> list[list[Cue]]:
    """Deal cues out so that none begins before the last word of the one in front of it; what is left goes last."""
    dealt: list[list[Cue]] = []
    lasts: list[int] = []
    for cue in of:
        last = max((start for word in words_of(alignment, cue) if (start := word.start_ms) is not None), default=0)
        free = next((k for k, until in enumerate(lasts) if until <= cue.start), len(lasts))
        if free == len(lasts) < len(_SUFFIXES):
            dealt.append([])
            lasts.append(0)
        free = min(free, len(lasts) - 1)
        dealt[free].append(cue)
        lasts[free] = max(lasts[free], last)
    return dealt


def _tiers(alignment: Alignment, of: Sequence[Cue], prefix: str, suffix: str) -> list[tuple[str, Sequence[_Interval]]]:
    """Return the tiers of some of the cues, by name: words, lines and, where there are such, unsung words."""
    timed = [word for cue in of for word in words_of(alignment, cue) if word.start is not None]
    words = [
        _Interval(word.start, word.end, word.text)
        for word in without_overlap(sorted(timed, key=lambda word: word.start or 0))
        if word.start is not None and word.end is not None
    ]
    lines: list[_Interval] = []
    unsung: list[_Interval] = []
    for start, end, members in _shared_starts(of):
        text = "\n".join(clean(alignment.line_text(i)) for i in members)
        inside = [word for i in members for word in alignment.line_words(i)]
        places = " ".join(f"{k}:{clean(word.text)}" for k, word in enumerate(inside, 1) if word.unsung)
        lines.append(_Interval(start, end, text))
        unsung.append(_Interval(start, end, places))
    tiers: list[tuple[str, Sequence[_Interval]]] = [
        (f"{prefix}words{suffix}", _apart(words, " ")),
        (f"{prefix}lines{suffix}", _apart(lines, "\n")),
    ]
    if any(interval.text for interval in unsung):
        tiers.append((f"{prefix}unsung{suffix}", _apart(unsung, "\n")))
    return tiers


def _shared_starts(of: Sequence[Cue]) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return the cues, those that start together made one: (start, end, lines)."""
    found: list[tuple[int, int, tuple[int, ...]]] = []
    for cue in of:
        if found and found[-1][0] == cue.start:
            start, end, members = found.pop()
            found.append((start, max(end, cue.end), members + cue.lines))
        else:
            found.append((cue.start, cue.end, cue.lines))
    return found


def _apart(intervals: Sequence[_Interval], glue: str) -> list[_Interval]:
    """Join intervals that start together, end each before the next, and give each at least 1 ms."""
    joined: list[_Interval] = []
    for interval in intervals:
        if joined and joined[-1].start == interval.start:
            last = joined.pop()
            text = glue.join(part for part in (last.text, interval.text) if part)
            joined.append(_Interval(last.start, max(last.end, interval.end), text))
        else:
            joined.append(interval)
    followers = [interval.start for interval in joined[1:]]
    ends = [min(interval.end, start) for interval, start in zip(joined, followers, strict=False)]
    ends += [interval.end for interval in joined[-1:]]
    return [_Interval(i.start, max(end, i.start + 1), i.text) for i, end in zip(joined, ends, strict=True)]


def _spelt(tiers: Sequence[tuple[str, Sequence[_Interval]]], length: int) -> Iterator[str]:
    yield f'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0 \nxmax = {_seconds(length)} \n'
    yield f"tiers? <exists> \nsize = {len(tiers)} \nitem []: \n"
    for number, (name, intervals) in enumerate(tiers, 1):
        filled = _filled(intervals, length)
        yield f'    item [{number}]:\n        class = "IntervalTier" \n        name = "{name}" \n'
        yield f"        xmin = 0 \n        xmax = {_seconds(length)} \n        intervals: size = {len(filled)} \n"
        for k, interval in enumerate(filled, 1):
            text = interval.text.replace('"', '""')
            yield f"        intervals [{k}]:\n            xmin = {_seconds(interval.start)} \n"
            yield f'            xmax = {_seconds(interval.end)} \n            text = "{text}" \n'


def _filled(intervals: Sequence[_Interval], length: int) -> list[_Interval]:
    """Put an interval without text wherever there is none: Praat wants a tier without holes."""
    filled: list[_Interval] = []
    at = 0
    for interval in intervals:
        if interval.start > at:
            filled.append(_Interval(at, interval.start, ""))
        filled.append(interval)
        at = interval.end
    if at < length or not filled:
        filled.append(_Interval(at, length, ""))
    return filled


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03}".rstrip("0").rstrip(".")


def read(text: str) -> Alignment:
    """Read TextGrid text, long or short form."""
    tiers, length = _parse(text)
    if not tiers:
        raise FormatError("textgrid", "there is no interval tier")
    by_name = {tier.name.lower(): tier for tier in reversed(tiers)}
    named = next((tier for tier in tiers if "word" in tier.name.lower()), tiers[0])
    notes: list[str] = []
    groups: list[list[DraftLine]] = []
    for prefix, voice in ((_LEAD, LEAD), (_BACKING, BACKING)):
        for suffix in _SUFFIXES:
            tier = by_name.get(f"{prefix}words{suffix}")
            if tier is not None:
                groups.append(_lines(tier, by_name, (prefix, suffix), voice, notes))
    groups = groups or [_lines(named, by_name, (_LEAD, ""), LEAD, notes)]
    return assemble("textgrid", _merged(groups), duration=length, warnings=notes)


def _lines(
    tier: _Tier, by_name: Mapping[str, _Tier], name: tuple[str, str], voice: int, notes: list[str]
) -> list[DraftLine]:
    """Deal the words of a tier out to lines by the tiers that go with it."""
    words = [TimedWord(word, i.start, i.end, voice=voice) for i in tier.intervals for word in i.text.split()]
    prefix, suffix = name
    lines_tier, unsung_tier = by_name.get(f"{prefix}lines{suffix}"), by_name.get(f"{prefix}unsung{suffix}")
    if lines_tier is None:
        return by_pauses(words)
    lines = _by_text(words, lines_tier.intervals, unsung_tier.intervals if unsung_tier else (), voice)
    if lines is None:
        both = f"{prefix}words{suffix} and {prefix}lines{suffix}"
        notes.append(f"the tiers {both} disagree: the lines were made of the times of the words")
        return _by_time(words, lines_tier.intervals)
    return lines


def _merged(groups: Sequence[Sequence[DraftLine]]) -> list[DraftLine]:
    """Sort the lines of several tiers by their first time; one without any stays behind the one in front of it."""
    if len(groups) == 1:
        return list(groups[0])
    keyed: list[tuple[int, DraftLine]] = []
    for lines in groups:
        last = 0
        for line in lines:
            last = next((word.start for word in line.words if word.start is not None), last)
            keyed.append((last, line))
    return [line for _, line in sorted(keyed, key=lambda item: item[0])]


def _by_text(
    words: Sequence[TimedWord], intervals: Sequence[_Interval], unsung: Sequence[_Interval], voice: int
) -> list[DraftLine] | None:
    """Deal words out to the rows of the tier of lines; None where the two texts differ."""
    places = {interval.start: {int(place[1]) for place in _PLACE.finditer(interval.text)} for interval in unsung}
    lines: list[DraftLine] = []
    supply = iter(words)
    for interval in intervals:
        without_time = places.get(interval.start, set())
        place = 0
        for row in interval.text.split("\n"):
            line: list[TimedWord] = []
            for spelling in row.split():
                place += 1
                word = TimedWord(spelling, voice=voice) if place in without_time else next(supply, None)
                if word is None or word.text != spelling:
                    return None
                line.append(word)
            lines.append(DraftLine(tuple(line)))
    return lines if next(supply, None) is None else None


def _by_time(words: Sequence[TimedWord], intervals: Sequence[_Interval]) -> list[DraftLine]:
    starts = [interval.start for interval in intervals if interval.text.strip()]
    lines: list[list[TimedWord]] = [[] for _ in range(len(starts) + 1)]
    k = 0
    for word in words:
        while k < len(starts) and word.start is not None and starts[k] <= word.start:
            k += 1
        lines[k].append(word)
    return [DraftLine(tuple(line)) for line in lines]


class _Tokens:
    """The strings, numbers and flags of a Praat text file in order: all else is decoration there, in either form."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found = (found for found in _TOKEN.finditer(text) if found.lastgroup)

    def text(self) -> str:
        """Return the next token, a string."""
        found = self._next("a text in quotes")
        if found["text"] is None:
            raise self._wrong(found, "a text in quotes")
        return found["text"].replace('""', '"')

    def ms(self) -> int:
        """Return the next token, a time in seconds, in ms; halves up."""
        found = self._next("a time")
        seconds = float(found["number"]) if found["number"] is not None else -1.0
        if not 0 <= seconds <= LIMIT_MS / 1000:
            raise self._wrong(found, "a time between 0 and 1000 hours")
        return int(seconds * 1000 + 0.5)

    def count(self) -> int:
        """Return the next token, a whole number."""
        found = self._next("a count")
        if found["number"] is None or not found["number"].isdecimal():
            raise self._wrong(found, "a count")
        return int(found["number"])

    def flag(self) -> str:
        """Return the next token, a flag."""
        found = self._next("<exists>")
        if found["flag"] is None:
            raise self._wrong(found, "<exists>")
        return found["flag"]

    def _next(self, wanted: str) -> re.Match[str]:
        found = next(self._found, None)
        if found is None:
            raise FormatError("textgrid", f"the file breaks off where {wanted} should stand")
        if found["text"] is not None and not found["close"]:
            raise self._wrong(found, "a text that ends with a quote")
        return found

    def _wrong(self, found: re.Match[str], wanted: str) -> FormatError:
        line = self._text.count("\n", 0, found.start()) + 1
        return FormatError("textgrid", f"expected {wanted}, found {found[0][:40]!r}", line)


def _parse(text: str) -> tuple[list[_Tier], int]:
    text = opened(text).replace("\r\n", "\n").replace("\r", "\n")
    if '"TextGrid"' not in text[:1000] or "ooTextFile" not in text[:1000]:
        raise FormatError("textgrid", "the file does not begin like a TextGrid in text form", 1)
    tokens = _Tokens(text)
    tokens.text()
    tokens.text()
    tokens.ms()
    length = tokens.ms()
    tiers: list[_Tier] = []
    n_tiers = tokens.count() if tokens.flag() == "<exists>" else 0
    for _ in range(n_tiers):
        kind, name = tokens.text(), tokens.text()
        tokens.ms()
        tokens.ms()
        n_entries = tokens.count()
        if kind == "IntervalTier":
            tiers.append(_Tier(name, tuple(_interval(tokens) for _ in range(n_entries))))
        elif kind == "TextTier":
            for _ in range(n_entries):
                tokens.ms()
                tokens.text()
        else:
            raise FormatError("textgrid", f"a tier is an IntervalTier or a TextTier, not {kind[:40]!r}")
    return tiers, length


def _interval(tokens: _Tokens) -> _Interval:
    start, end = tokens.ms(), tokens.ms()
    return _Interval(start, max(start, end), tokens.text())


FORMAT = Format(
    "textgrid", (".textgrid",), "text/x-praat-textgrid", "Praat TextGrid: tiers of words and lines", write, read
)
