"""Lines in the order in which they are sung, for the formats that go by time; a backing voice apart where it overlaps.

An alignment keeps the order of the text: a verse may be sung before the one written in front of it, and a group of
backing words may be sung over the lead of its own line. A screen, a tier or a list of cues wants neither.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from melisma.core.records import BACKING, LEAD, Alignment, Line, Word

Group = tuple[int, ...]  # indices of words, growing
Apart = Literal["never", "over", "always"]


@dataclass(frozen=True, slots=True)
class _Part:
    """A line, or a voice of it: its words, when it begins (in ticks, None where nothing is timed) and whose it is."""

    words: Group
    start: int | None
    backing: bool


def in_sung_order(alignment: Alignment, apart: Apart = "over") -> Alignment:
    """Sort the lines by the time of their first word.

    A line without any time stays behind the one in front of it (in front of the first line with one, at the
    beginning), and with lines of the lead if it is of the lead. Where nothing is out of order and nothing overlaps,
    this is the alignment itself.

    Parameters
    ----------
    apart : "never", "over" or "always"
        Which backing groups become a line of their own: none, those that are not sung between two words of their line
        but over them, or all that are timed.

    Returns
    -------
    Alignment
        The same words at the same times. The starts of the timed lines only grow, and, unless `apart` is "never", those
        of the words of each line too.
    """
    groups = sung_groups(alignment, apart)
    if groups == tuple(tuple(range(line.first, line.stop)) for line in alignment.lines):
        return alignment
    words: list[Word] = []
    lines: list[Line] = []
    for k, group in enumerate(groups):
        stanza = alignment.lines[alignment.words[group[0]].line].stanza
        lines.append(Line(len(words), len(words) + len(group), stanza))
        words += [replace(alignment.words[i], line=k) for i in group]
    return replace(alignment, words=tuple(words), lines=tuple(lines), repeats=())


def sung_groups(alignment: Alignment, apart: Apart = "over") -> tuple[Group, ...]:
    """Return the words of each line that `in_sung_order` makes, as indices into the words of the alignment."""
    parts: list[_Part] = []
    for line in alignment.lines:
        whole = tuple(range(line.first, line.stop))
        lead, *away = (whole,) if apart == "never" else _parted(alignment.words, whole, apart)
        # The lead last: what has no time stays behind it.
        parts += [_part(alignment.words, group) for group in (*away, lead)]
    timed = [k for k, part in enumerate(parts) if part.start is not None]
    if not timed:
        return tuple(part.words for part in parts)
    in_front, behind = _beside(parts, timed)
    order = sorted(timed, key=lambda k: (parts[k].start or 0, parts[k].backing))
    return tuple(group for k in order for group in (*in_front.get(k, ()), parts[k].words, *behind.get(k, ())))


def _beside(parts: Sequence[_Part], timed: Sequence[int]) -> tuple[dict[int, list[Group]], dict[int, list[Group]]]:
    """Give each part without a time its place in front of or behind one of the timed ones."""
    in_front: dict[int, list[Group]] = {}
    behind: dict[int, list[Group]] = {}
    of_lead = [k for k in timed if not parts[k].backing] or timed
    for k, part in enumerate(parts):
        if part.start is None:
            choice = timed if part.backing else of_lead
            n_before = bisect_left(choice, k)
            place, anchor = (behind, choice[n_before - 1]) if n_before else (in_front, choice[0])
            place.setdefault(anchor, []).append(part.words)
    return in_front, behind


def _part(words: Sequence[Word], group: Group) -> _Part:
    start = min((start for i in group if (start := words[i].start) is not None), default=None)
    return _Part(group, start, is_backing([words[i] for i in group]))


def is_backing(words: Sequence[Word]) -> bool:
    """Whether none of the words is of the lead."""
    return all(word.voice == BACKING for word in words)


def _parted(words: Sequence[Word], line: Group, apart: Apart) -> tuple[Group, ...]:
    """Part a line into its lead and the backing groups that leave it."""
    kept = [i for i in line if words[i].voice == LEAD]
    if not kept or len(kept) == len(line):
        return (line,)
    lead_is_timed = any(words[i].start is not None for i in kept)
    away: list[Group] = []
    for group in _backing_groups(words, line):
        both = tuple(sorted([*kept, *group]))
        timed = any(words[i].start is not None for i in group)
        if timed and (apart == "always" or not lead_is_timed or not _in_turn(words, both)):
            away.append(group)
        else:
            kept = list(both)
    return (tuple(kept), *away)


def _in_turn(words: Sequence[Word], group: Group) -> bool:
    """Whether the words are sung in their order, none of one voice over one of the other."""
    timed = [words[i] for i in group if words[i].start is not None]
    latest = {LEAD: 0, BACKING: 0}  # ends
    last = 0
    for word in timed:
        start, end = word.start or 0, word.end or 0
        other = BACKING if word.voice == LEAD else LEAD
        if start < max(last, latest[other]):
            return False
        last, latest[word.voice] = start, max(latest[word.voice], end)
    return True


def _backing_groups(words: Sequence[Word], line: Group) -> Iterator[Group]:
    group: list[int] = []
    for i in line:
        if words[i].voice == BACKING:
            group.append(i)
        elif group:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)
