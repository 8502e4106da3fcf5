"""Which words stand on the screen when: an alignment as rows of text for a karaoke video.

Two rows take turns: while one is sung, the other shows what comes next. A line that is too long for the screen becomes
several rows, broken where their widths are alike. The backing voice has a row of its own. Nothing here measures a font;
widths are estimates in units of the font size, on the safe side for the wide fonts that most systems have.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from melisma.core.records import BACKING, Alignment
from melisma.formats._cues import without_overlap
from melisma.formats._draft import TimedWord
from melisma.formats._sung import in_sung_order, is_backing

GAP_MS = 5000  # without a word for so long, singers lose the beat: they are counted in
COUNT_MS = 3000  # three beats of a second
_AHEAD_MS = 5000  # how long the first row behind a gap is seen before it is sung
_AHEAD_BACKING_MS = 2000
_STAYS_MS = 350  # how long a row stays when it is sung, where nothing else wants its place
_LONGEST_WORD = 200  # characters that are shown of a word; no language has longer ones

# Advance widths of DejaVu Sans Bold, the widest of common fonts, in units of libass's font size (ascent + descent).
_NARROW, _SPACE, _USUAL, _CAPITAL, _BROAD, _FULL = 0.34, 0.3, 0.6, 0.7, 0.95, 1.1
_NARROW_CHARACTERS = frozenset("iIlj.,'’‘!|:;·()[]`´-")
_BROAD_CHARACTERS = frozenset("mwMW@%—…")


class Place(StrEnum):
    """Where a row stands."""

    UPPER = "upper"
    LOWER = "lower"
    BACKING = "backing"


@dataclass(frozen=True, slots=True)
class Row:
    """Words that stand in one row.

    Parameters
    ----------
    words : tuple of TimedWord
        In order; times in ms, none before the one in front of it.
    start, end : int
        When they are sung, in ms.
    seen, gone : int
        When they stand on the screen, in ms.
    place : Place
        Where.
    scale : float
        Share of its font size at which the row fits, at most 1.
    counted_in : bool
        Whether singers have waited long enough to need a count.
    """

    words: tuple[TimedWord, ...]
    start: int
    end: int
    seen: int
    gone: int
    place: Place
    scale: float = 1.0
    counted_in: bool = False


def rows(alignment: Alignment, limit: float, backing_limit: float) -> tuple[Row, ...]:
    """Deal the words of an alignment out to rows.

    Parameters
    ----------
    alignment : Alignment
        Lines of which no word is timed are left out; other words without a time stand in their row.
    limit, backing_limit : float
        Width of a row in units of the font size, of the lead and of the backing voice.

    Returns
    -------
    tuple of Row
        In the order in which they are sung.
    """
    lead: list[Row] = []
    backing: list[Row] = []
    ordered = in_sung_order(alignment)
    for i in range(len(ordered.lines)):
        words = ordered.line_words(i)
        if all(word.unsung for word in words):
            continue
        over = is_backing([word for word in words if not word.unsung])
        into, place, width = (backing, Place.BACKING, backing_limit) if over else (lead, Place.UPPER, limit)
        shown = [replace(word, text=_cut(word.text)) for word in without_overlap(words)]
        into += _timed(broken(shown, width), place, width, into[-1].end if into else 0)
    return tuple(sorted([*_dealt(lead), *_one_by_one(backing)], key=lambda row: (row.start, row.place)))


def broken(words: Sequence[TimedWord], limit: float) -> list[tuple[TimedWord, ...]]:
    """Break a line into as few rows as fit, as even as those can be; a word is never broken."""
    widths = [width(word.text) for word in words]
    cuts = _greedy(widths, limit)
    low, high = max(widths), limit
    for _ in range(20 if low < high else 0):  # halving: far finer than a letter
        middle = (low + high) / 2
        tried = _greedy(widths, middle)
        if len(tried) <= len(cuts):
            cuts, high = tried, middle
        else:
            low = middle
    return [tuple(words[first:stop]) for first, stop in zip(cuts, [*cuts[1:], len(words)], strict=True)]


def width(text: str) -> float:
    """Estimate how wide a text is, in units of the font size.

    Examples
    --------
    >>> round(width("il"), 2), round(width("MW"), 2), round(width("歌"), 2), width("\u0301")
    (0.68, 1.9, 1.1, 0)
    """
    return sum(map(_advance, text))


def _advance(character: str) -> float:
    if character in _NARROW_CHARACTERS:
        return _NARROW
    if character in _BROAD_CHARACTERS:
        return _BROAD
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):
        return 0
    if category == "Zs":
        return _SPACE
    if unicodedata.east_asian_width(character) in "WF":
        return _FULL
    return _CAPITAL if category in ("Lu", "Nd", "So") else _USUAL


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_WORD else text[: _LONGEST_WORD - 1] + "…"


def _greedy(widths: Sequence[float], limit: float) -> list[int]:
    """Return the word that each row begins with when every row is filled before the next one."""
    firsts, used = [0], 0.0
    for k, one in enumerate(widths):
        if k > firsts[-1] and used + _SPACE + one > limit:
            firsts.append(k)
            used = one
        else:
            used += one + (_SPACE if k > firsts[-1] else 0)
    return firsts


def _timed(parts: Sequence[tuple[TimedWord, ...]], place: Place, limit: float, last: int) -> Iterator[Row]:
    """Give each row of a line its time; one without a timed word stands where the one in front of it ends."""
    for part in parts:
        starts = [word.start for word in part if word.start is not None]
        ends = [word.end for word in part if word.end is not None]
        start = min(starts) if starts else last
        end = max(ends, default=start)
        last = end
        taken = sum(width(word.text) for word in part) + _SPACE * (len(part) - 1)
        yield Row(part, start, end, start, end, place, min(1.0, limit / taken) if taken else 1.0)


def _dealt(lead: Sequence[Row]) -> list[Row]:
    """Let two rows take turns: the next one is seen as soon as there is a place for it."""
    free = {Place.UPPER: 0, Place.LOWER: 0}
    held: dict[Place, int] = {}  # index of the row that stood there last
    done: list[Row] = []
    place, last_end = Place.LOWER, 0
    for row in sorted(lead, key=lambda row: row.start):
        waited = row.start - last_end >= GAP_MS
        place = Place.UPPER if waited or place is Place.LOWER else Place.LOWER
        wanted = max(0, row.start - _AHEAD_MS) if waited or not done else done[-1].seen
        seen = min(row.start, max(wanted, free[place]))
        before = held.get(place)
        if before is not None:
            done[before] = replace(done[before], gone=min(done[before].end + _STAYS_MS, max(seen, done[before].seen)))
        done.append(replace(row, seen=seen, gone=row.end + _STAYS_MS, place=place, counted_in=waited))
        held[place], free[place] = len(done) - 1, row.end + _STAYS_MS // 2
        last_end = max(last_end, row.end)
    return done


def _one_by_one(backing: Sequence[Row]) -> list[Row]:
    done: list[Row] = []
    for row in sorted(backing, key=lambda row: row.start):
        seen = max(0, row.start - _AHEAD_BACKING_MS, done[-1].end if done else 0)
        if done:
            done[-1] = replace(
                done[-1], gone=max(done[-1].seen, min(done[-1].gone, row.start, max(seen, done[-1].end)))
            )
        done.append(replace(row, seen=min(row.start, seen), gone=row.end + _STAYS_MS))
    return done


def all_of_backing(row: Row) -> bool:
    """Whether every word of a row is of the backing voice."""
    return all(word.voice == BACKING for word in row.words)
