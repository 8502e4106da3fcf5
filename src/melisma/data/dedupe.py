"""Recordings that are there more than once: the same file, the same sound in another file, or nearly the same sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from melisma.data import listen
from melisma.data.fingerprint import MIN_OVERLAP, NEAR, similar
from melisma.data.listen import Listen, Part
from melisma.data.near_duplicates import Index, Pair
from melisma.data.report import Problem
from melisma.scale.local import LocalExecutor
from melisma.scale.protocol import Executor, Outcome, Progress

Kind = Literal["file", "sound", "near", "part"]
# Strongest first: why a recording is taken for a copy of another.
KINDS: dict[Kind, str] = {
    "file": "the same bytes",
    "sound": "other bytes, the same samples when decoded",
    "near": "another encoding, loudness or cut of the same recording",
    "part": "a piece of a longer recording",
}
_EXACT: tuple[Kind, Kind] = ("file", "sound")  # told by hashes, in the order in which `_Known.same` has them
_EQUALLY_LONG = 1.1  # lengths within this factor of the longest count as one when it is decided which copy is kept


@dataclass(frozen=True, slots=True)
class Item:
    """A recording, or a part of one, that may be there again.

    Parameters
    ----------
    id : str
    path : Path
    part : (float, float or None)
        Where it begins, and its length; None for all of the file.
    text : str
        Its transcript, for telling whether copies say the same; empty where there is none.
    worth : tuple
        What is known of it, the best first and smallest: of copies the smallest is kept.
    """

    id: str
    path: Path
    part: Part = (0.0, None)
    text: str = ""
    worth: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """A recording that is there again, by number, and the one that is kept for it."""

    number: int
    kept: int
    kind: Kind
    similarity: float


@dataclass(frozen=True, slots=True)
class Copies:
    """All copies, in order, pieces of longer recordings apart from them; and what could not be read."""

    copies: tuple[Copy, ...]
    parts: tuple[Copy, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """How copies are looked for.

    Parameters
    ----------
    exact : bool
        Compare bytes only: nothing is decoded.
    near : float
        Similarity from which two recordings are copies.
    parts : bool
        Take pieces of longer recordings for copies too.
    """

    exact: bool = False
    near: float = NEAR
    parts: bool = False


@dataclass(slots=True)
class _Known:
    """What is known of the items that were listened to."""

    items: Sequence[Item]
    index: Index = field(default_factory=Index)
    seconds: list[float] = field(default_factory=list)
    facts: list[tuple[Any, ...]] = field(default_factory=list)  # how good the sound of each is, smallest best
    same: list[tuple[str, ...]] = field(default_factory=list)  # hashes of each
    problems: list[Problem] = field(default_factory=list)


def find(
    items: Sequence[Item],
    search: Search,
    *,
    executor: Executor | None = None,
    journal: Path | None = None,
    progress: Progress | None = None,
) -> Copies:
    """Find copies among recordings, and decide which one of each is kept.

    Kept is the one with what others lack (`Item.worth`), else the longest, else the lossless one, the higher rate, more
    bytes a second, the first.

    Parameters
    ----------
    items : sequence of Item
        In order; those of one file that follow each other are decoded once. Memory is about 1 kB each, and 200 bytes a
        second of sound.
    search : Search
    executor, journal, progress
        As `melisma.scale.protocol.Executor.run` has them.
    """
    known = _Known(items)
    runs = list(_runs(items))
    tasks = [
        listen.task(f"{items[run[0]].path} {run[0]}", items[run[0]].path, [items[i].part for i in run]) for run in runs
    ]
    outcomes = (executor or LocalExecutor()).run(Listen(search.exact), tasks, journal=journal, progress=progress)
    for run, outcome in zip(runs, outcomes, strict=True):
        _learn(known, run, outcome)
    relations = [*_exact(known)]
    pieces: list[tuple[int, int, Kind, float]] = []
    for pair in [] if search.exact else known.index.pairs(near=search.near):
        relation = _relation(known, pair)
        (pieces if relation[2] == "part" and not search.parts else relations).append(relation)
    copies = _decided(known, relations, search)
    dropped = {copy.number for copy in copies}
    parts = [_copy(known, *piece) for piece in pieces if not dropped & {piece[0], piece[1]}]
    return Copies(tuple(copies), tuple(parts), (*known.problems, *_conflicts(items, copies)))


def _runs(items: Sequence[Item]) -> Iterator[list[int]]:
    run: list[int] = []
    for number, item in enumerate(items):
        if run and items[run[-1]].path != item.path:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def _learn(known: _Known, run: list[int], outcome: Outcome) -> None:
    for place, number in enumerate(run):
        item = known.items[number]
        if outcome.error is not None:
            kind = "unreadable" if item.path.exists() else "missing"
            known.problems.append(Problem(item.id, kind, outcome.error))
            known.index.add(listen.words_of(""))
            known.facts.append(())
            known.seconds.append(0.0)
            known.same.append(())
            continue
        value, part = outcome.value, outcome.value["parts"][place]
        known.index.add(listen.words_of(part.get("words", "")))
        seconds = part["seconds"]
        lossy, hertz = not value.get("lossless", False), -value.get("rate", 0)
        known.seconds.append(seconds)
        known.facts.append((lossy, hertz, -round(value["size"] / max(seconds, 1e-3)), number))
        known.same.append((f"{value['file']} {item.part}", part.get("sound", "")))


def _exact(known: _Known) -> Iterator[tuple[int, int, Kind, float]]:
    for place, kind in enumerate(_EXACT):
        first: dict[str, int] = {}
        for number, hashes in enumerate(known.same):
            if hashes and hashes[place]:
                other = first.setdefault(hashes[place], number)
                if other != number:
                    yield other, number, kind, 1.0


def _relation(known: _Known, pair: Pair) -> tuple[int, int, Kind, float]:
    one, other = known.index.length_s(pair.first), known.index.length_s(pair.second)
    shared = min(one, pair.offset_s + other) - max(0.0, pair.offset_s)
    kind: Kind = "near" if shared >= MIN_OVERLAP * max(one, other) else "part"
    return pair.first, pair.second, kind, pair.similarity


def _decided(known: _Known, relations: Iterable[tuple[int, int, Kind, float]], search: Search) -> list[Copy]:
    """Keep the best of each group, and what is no copy of it but only of another that goes."""
    root: dict[int, int] = {}
    direct: dict[tuple[int, int], tuple[Kind, float]] = {}

    def top(i: int) -> int:
        while root.setdefault(i, i) != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for first, second, kind, similarity in relations:
        root[top(first)] = top(second)
        direct.setdefault((min(first, second), max(first, second)), (kind, similarity))
    groups: dict[int, list[int]] = {}
    for i in root:
        groups.setdefault(top(i), []).append(i)
    found = []
    for members in groups.values():
        kept: list[int] = []
        long = max(known.seconds[i] for i in members) / _EQUALLY_LONG
        for i in sorted(members, key=lambda i: (*known.items[i].worth, known.seconds[i] < long, *known.facts[i])):
            copy = next((copy for k in kept if (copy := _as_copy(known, i, k, direct, search))), None)
            if copy is None:
                kept.append(i)
            else:
                found.append(copy)
    return sorted(found, key=lambda copy: copy.number)


def _as_copy(
    known: _Known, number: int, kept: int, direct: dict[tuple[int, int], tuple[Kind, float]], search: Search
) -> Copy | None:
    """Return one of a group as a copy of another of it, if it is one."""
    for place, kind in enumerate(_EXACT):
        if known.same[number][place] and known.same[number][place] == known.same[kept][place]:
            return Copy(number, kept, kind, 1.0)
    told = direct.get((min(number, kept), max(number, kept)))
    if told is None and not search.exact:  # of very many copies, not every pair has been looked at
        one, other = known.index.words(number), known.index.words(kept)
        if search.parts or min(len(one), len(other)) >= MIN_OVERLAP * max(len(one), len(other)):
            told = "near", similar(one, other)
    if told is None or told[1] < search.near:
        return None
    return Copy(number, kept, told[0], round(told[1], 3))


def _copy(known: _Known, first: int, second: int, kind: Kind, similarity: float) -> Copy:
    """Return the shorter of two as a piece of the longer."""
    shorter = min((first, second), key=known.index.length_s)
    return Copy(shorter, first + second - shorter, kind, round(similarity, 3))


def _conflicts(items: Sequence[Item], copies: Iterable[Copy]) -> Iterator[Problem]:
    for copy in copies:
        one, other = items[copy.number], items[copy.kept]
        if copy.kind != "part" and one.text and other.text and _plain(one.text) != _plain(other.text):
            yield Problem(one.id, "text", f"it sounds as {other.id} does, and says something else")


def _plain(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
