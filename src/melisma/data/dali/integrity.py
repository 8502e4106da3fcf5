"""What is wrong between the levels of a song, and how it is put right.

Words are what a training needs, so they are believed: a line or paragraph lasts from the first of its words to the
last, and notes are cut where their word ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from melisma.data.dali.annotation import LEVELS, Level, Levels, Segment

NEAR_S = 0.002  # times are sums of beats in floating point: what is nearer than this is the same moment
SHORTEST_S = 0.02  # length that is given to what has none, where there is room for it
_BEFORE_S = 0.0  # nothing is sung before a recording begins

KINDS = {
    "empty": "has no text",
    "no length": "ends where it starts, or before",
    "before the beginning": "starts before the recording",
    "out of order": "starts before the one in front of it",
    "overlap": "starts before the one in front of it ends",
    "no parent": "belongs to nothing in the level above",
    "no children": "has nothing in the level below",
    "outside": "reaches beyond what it belongs to",
    "other text": "reads otherwise than what it is made of",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with item `place` of a level; `kind` is one of `KINDS`."""

    level: Level
    place: int
    kind: str

    @property
    def sentence(self) -> str:
        """What is wrong, in words."""
        return f"{self.level[:-1]} {self.place} {KINDS[self.kind]}"


def check(levels: Levels) -> tuple[Fault, ...]:
    """Return everything that is wrong, level by level from the lowest, in order."""
    return tuple(fault for depth in range(len(LEVELS)) for fault in _of_level(levels, depth))


def counts(faults: tuple[Fault, ...]) -> dict[str, int]:
    """Count faults as "level: kind"."""
    return dict(Counter(f"{fault.level}: {fault.kind}" for fault in faults))


def _of_level(levels: Levels, depth: int) -> Iterator[Fault]:
    name = LEVELS[depth]
    rows = levels.level(name)
    for place, each in enumerate(rows):
        yield from (Fault(name, place, kind) for kind in _by_itself(each))
    for place, (before, each) in enumerate(pairwise(rows), 1):
        if each.time[0] < before.time[0] - NEAR_S:
            yield Fault(name, place, "out of order")
        elif each.time[0] < before.time[1] - NEAR_S:
            yield Fault(name, place, "overlap")
    if depth + 1 < len(LEVELS) and rows:
        above = levels.level(LEVELS[depth + 1])
        yield from _under(name, rows, above)
    if depth:
        below = levels.level(LEVELS[depth - 1])
        yield from _over(name, rows, below, depth)


def _by_itself(each: Segment) -> Iterator[str]:
    if not each.text.strip():
        yield "empty"
    if each.time[1] <= each.time[0]:
        yield "no length"
    if each.time[0] < _BEFORE_S - NEAR_S:
        yield "before the beginning"


def _under(name: Level, rows: list[Segment], above: list[Segment]) -> Iterator[Fault]:
    for place, each in enumerate(rows):
        if each.index is None or not 0 <= each.index < len(above):
            if above:
                yield Fault(name, place, "no parent")
            continue
        parent = above[each.index]
        if each.time[0] < parent.time[0] - NEAR_S or each.time[1] > parent.time[1] + NEAR_S:
            yield Fault(name, place, "outside")


def _over(name: Level, rows: list[Segment], below: list[Segment], depth: int) -> Iterator[Fault]:
    if not below:
        return
    made: dict[int, list[str]] = {}
    for child in below:
        if child.index is not None:
            made.setdefault(child.index, []).append(child.text)
    for place, each in enumerate(rows):
        if place not in made:
            yield Fault(name, place, "no children")
        elif _plain("".join(made[place])) != _plain(each.text):
            yield Fault(name, place, "other text")


def _plain(text: str) -> str:
    """Leave out spaces, and the signs that UltraStar holds a syllable with."""
    return "".join(text.split()).replace("~", "").replace("-", "").casefold()


@dataclass(frozen=True, slots=True)
class Repaired:
    """Levels put right, what was wrong before, what still is, and how many items of each level were left out."""

    levels: Levels
    faults: tuple[Fault, ...]
    left: tuple[Fault, ...]
    dropped: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Row:
    """An item and its place before anything was put right."""

    origin: int
    segment: Segment

    def changed(self, **fields: object) -> _Row:
        return _Row(self.origin, self.segment.model_copy(update=fields))

    @property
    def index(self) -> int:
        return -1 if self.segment.index is None else self.segment.index


def repair(levels: Levels) -> Repaired:
    """Put the levels right; words keep their text, and their times where nothing forbids them.

    Items without text, and words that no line is near to, are left out. Lines come in the order in which they begin,
    and words so within their line; a word lasts until the next one of its line at most, and where it has no length, as
    long as its notes. Lines and paragraphs last as long as their words. Lines that two sing at once still overlap:
    `left` has them.
    """
    faults = check(levels)
    words = [_Row(i, each) for i, each in enumerate(_lasting(levels)) if each.text.strip()]
    words = [found for each in words if (found := _adopted(each, levels.lines)) is not None]
    words, lines = _grouped(_set_apart(words), levels.lines)
    held = [found for each in lines if (found := _adopted(each, levels.paragraphs)) is not None]
    lines, paragraphs = _grouped(held, levels.paragraphs) if len(held) == len(lines) else (lines, [])
    if lines and words:
        place = {row.origin: i for i, row in enumerate(lines)}
        words = [row.changed(index=place[row.index]) for row in words]
        words.sort(key=lambda row: (row.index, row.segment.time))
        lines = [_Row(i, row.segment) for i, row in enumerate(lines)]
    notes = _under_words(levels.notes, words)
    made = levels.model_copy(
        update={
            "notes": notes,
            **{name: [row.segment for row in rows] for name, rows in _named(words, lines, paragraphs)},
        }
    )
    dropped = {name: len(levels.level(name)) - len(made.level(name)) for name in LEVELS}
    return Repaired(made, faults, check(made), {name: n for name, n in dropped.items() if n})


def _lasting(levels: Levels) -> Iterator[Segment]:
    """Yield the words; one without a length lasts as long as its notes."""
    spans: dict[int, tuple[float, float]] = {}
    for note in levels.notes:
        if note.index is not None:
            start, end = spans.get(note.index, note.time)
            spans[note.index] = min(start, note.time[0]), max(end, note.time[1])
    for place, word in enumerate(levels.words):
        span = spans.get(place, word.time)
        usable = word.time[1] <= word.time[0] < span[1] and span[0] <= word.time[0]
        yield word.model_copy(update={"time": span}) if usable else word


def _named(words: list[_Row], lines: list[_Row], paragraphs: list[_Row]) -> Iterator[tuple[str, list[_Row]]]:
    yield from zip(LEVELS[1:], (words, lines, paragraphs), strict=True)


def _adopted(row: _Row, above: list[Segment]) -> _Row | None:
    """Return it with a parent: its own, else the one whose time it shares most of; None if it shares none."""
    each = row.segment
    if not above or 0 <= row.index < len(above):
        return row
    shared = [min(each.time[1], up.time[1]) - max(each.time[0], up.time[0]) for up in above]
    best = max(range(len(above)), key=lambda i: shared[i])
    return row.changed(index=best) if shared[best] >= -NEAR_S else None


def _set_apart(words: list[_Row]) -> list[_Row]:
    """Let the words of a line follow each other and last; those that begin at one moment share what there is."""
    by_line: dict[int, list[_Row]] = {}
    for row in words:
        by_line.setdefault(row.index, []).append(row)
    return [row for rows in by_line.values() for row in _in_line(sorted(rows, key=_begins))]


def _begins(row: _Row) -> float:
    return max(row.segment.time[0], 0.0)


def _in_line(rows: list[_Row]) -> Iterator[_Row]:
    first = 0
    while first < len(rows):
        start = _begins(rows[first])
        last = first
        while last < len(rows) and _begins(rows[last]) <= start + NEAR_S:
            last += 1
        n = last - first
        end = max(max(row.segment.time[1] for row in rows[first:last]), start + n * SHORTEST_S)
        if last < len(rows):
            end = min(end, _begins(rows[last]))
        for i, row in enumerate(rows[first:last]):
            yield row.changed(time=(start + i * (end - start) / n, start + (i + 1) * (end - start) / n))
        first = last


def _grouped(rows: list[_Row], above: list[Segment]) -> tuple[list[_Row], list[_Row]]:
    """Order the upper level by when its items begin, let it last as long as they do, leave out what has none."""
    if not above:
        return rows, []
    children: dict[int, list[_Row]] = {}
    for row in rows:
        children.setdefault(row.index, []).append(row)
    order = sorted(children, key=lambda place: min(row.segment.time[0] for row in children[place]))
    grown, moved = [], []
    for new, old in enumerate(order):
        spans = [row.segment.time for row in children[old]]
        time = min(start for start, _ in spans), max(end for _, end in spans)
        grown.append(_Row(new, above[old].model_copy(update={"time": time})))
        moved += [row.changed(index=new) for row in children[old]]
    return moved, grown


def _under_words(notes: list[Segment], words: list[_Row]) -> list[Segment]:
    """Let notes point to their words where those are now, and end with them; notes of words that are gone go."""
    place = {row.origin: i for i, row in enumerate(words)}
    out = []
    for note in notes:
        at = place.get(-1 if note.index is None else note.index)
        if at is None or not note.text.strip():
            continue
        low, high = words[at].segment.time
        start, end = max(note.time[0], low), min(note.time[1], high)
        if end > start:
            out.append(note.model_copy(update={"time": (start, end), "index": at}))
    return sorted(out, key=lambda each: (each.index or 0, each.time))
