"""Two sequences of spellings, heard and known, laid side by side: global alignment with affine gaps.

Gotoh's algorithm, whose pairs may join up to three spellings on one side ("gonna" and "going to", "lune" and "l' une").
Where the sequences are long, runs of spellings that stand exactly once in both are fixed first, as in a patience diff,
and only what lies between them is searched.

References
----------
Gotoh, An improved algorithm for matching biological sequences, J. Mol. Biol. 162, 1982.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32

# How many spellings a pair takes of each side: (heard, known).
_MOVES = ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (1, 4), (4, 1))
_MOST_CELLS = 1_000_000  # of one search: 1,000 words against 1,000, some 60 MB
_MOST_DEPTH = 12  # of cutting at anchors inside of anchors
_NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class PairingCosts:
    """What the search weighs; the unit is one pair of equal words of five letters or more."""

    least: float = 0.5  # similarity below which two spellings are no pair
    least_joined: float = 0.8  # the same, where spellings are joined
    mistaken: float = 0.4  # two spellings that are no pair pass each other: less than a gap on either side
    gap_open: float = 0.5
    gap_extend: float = 0.02
    joining: float = 0.1  # for each spelling joined
    letters: float = 5.0  # a word of so many letters counts in full, a shorter one less


@dataclass(frozen=True, slots=True)
class Pair:
    """Heard [heard, heard_stop) is known [known, known_stop), with the likeness of their spellings in [0, 1]."""

    heard: int
    heard_stop: int
    known: int
    known_stop: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Spelt:
    """A sequence of spellings: as letters, and as sounds where they are known (else empty)."""

    letters: tuple[str, ...]
    sounds: tuple[str, ...] = ()
    joins: tuple[bool, ...] = ()  # whether each may be joined to the one before it; empty: all may

    def __len__(self) -> int:
        return len(self.letters)


def pair(heard: Spelt, known: Spelt, costs: PairingCosts | None = None) -> tuple[Pair, ...]:
    """Lay two sequences side by side; pairs ascend on both sides and never share a spelling."""
    costs = costs or PairingCosts()
    found: list[Pair] = []
    for part in _parts(heard.letters, known.letters, _Block(0, len(heard), 0, len(known))):
        found += [part] if isinstance(part, Pair) else _search(heard, known, part, costs)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Block:
    """Heard [heard, heard_stop) against known [known, known_stop)."""

    heard: int
    heard_stop: int
    known: int
    known_stop: int

    @property
    def cells(self) -> int:
        return (self.heard_stop - self.heard) * (self.known_stop - self.known)


def _parts(heard: Sequence[str], known: Sequence[str], block: _Block, depth: int = 0) -> Iterator[_Block | Pair]:
    """Cut a block into ones that are small enough to be searched, and the pairs that are fixed between them."""
    if block.cells <= _MOST_CELLS:
        if block.cells:
            yield block
        return
    ways = (*(lambda h, k, b, n=n: _unique_runs(h, k, b, n) for n in (4, 3, 2)), _common_runs)
    anchors = next((found for way in ways if (found := way(heard, known, block))), []) if depth < _MOST_DEPTH else []
    if not anchors:  # nothing in common to hold on to: halves, which always ends
        middle = (block.heard + block.heard_stop) // 2, (block.known + block.known_stop) // 2
        halves = (
            _Block(block.heard, middle[0], block.known, middle[1]),
            _Block(middle[0], block.heard_stop, middle[1], block.known_stop),
        )
        for half in halves:
            yield from _parts(heard, known, half, depth + 1)
        return
    at = block.heard, block.known
    for h, k in [*anchors, (block.heard_stop, block.known_stop)]:
        yield from _parts(heard, known, _Block(at[0], h, at[1], k), depth + 1)
        if h < block.heard_stop and k < block.known_stop:
            yield Pair(h, h + 1, k, k + 1, 1.0)
        at = h + 1, k + 1


def _unique_runs(heard: Sequence[str], known: Sequence[str], block: _Block, length: int) -> list[tuple[int, int]]:
    """Return places (heard, known) of words in runs that stand exactly once in both, in one rising chain."""
    ours = _once(heard, block.heard, block.heard_stop, length)
    theirs = _once(known, block.known, block.known_stop, length)
    chain = _rising(sorted((at, theirs[run]) for run, at in ours.items() if run in theirs))
    places: list[tuple[int, int]] = []
    for h, k in chain:
        for step in range(length):
            if not places or (h + step > places[-1][0] and k + step > places[-1][1]):
                places.append((h + step, k + step))
    return places


def _once(words: Sequence[str], first: int, stop: int, length: int) -> dict[tuple[str, ...], int]:
    """Return the runs of a length that stand exactly once, with their places."""
    at: dict[tuple[str, ...], int] = {}
    for i in range(first, stop - length + 1):
        run = tuple(words[i : i + length])
        at[run] = -1 if run in at else i
    return {run: i for run, i in at.items() if i >= 0}


def _rising(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest chain that rises in both places; the first ones rise already."""
    tails: list[int] = []  # smallest last known place of a chain of each length
    owners: list[int] = []
    before: list[int] = []
    for i, (_, k) in enumerate(places):
        at = bisect_left(tails, k)
        before.append(owners[at - 1] if at else -1)
        tails[at : at + 1] = [k]
        owners[at : at + 1] = [i]
    chain: list[tuple[int, int]] = []
    i = owners[-1] if owners else -1
    while i >= 0:
        chain.append(places[i])
        i = before[i]
    return chain[::-1]


def _common_runs(heard: Sequence[str], known: Sequence[str], block: _Block) -> list[tuple[int, int]]:
    """Return places of words in a longest common subsequence that have their neighbour in it too."""
    from rapidfuzz.distance import LCSseq

    found = LCSseq.opcodes(heard[block.heard : block.heard_stop], known[block.known : block.known_stop])
    return [
        (block.heard + each.src_start + step, block.known + each.dest_start + step)
        for each in found
        if each.tag == "equal" and each.src_end - each.src_start > 1
        for step in range(each.src_end - each.src_start)
    ]


def _search(heard: Spelt, known: Spelt, block: _Block, costs: PairingCosts) -> list[Pair]:
    """Find the pairs of one block."""
    likeness = [_likeness(heard, known, block, move) for move in _MOVES]
    gains = [_gains(heard, known, block, each, move, costs) for each, move in zip(likeness, _MOVES, strict=True)]
    table = _fill(gains, costs)
    return [
        Pair(block.heard + i - a, block.heard + i, block.known + j - b, block.known + j, float(likeness[m][i, j]))
        for i, j, m in _walk(table)
        for a, b in (_MOVES[m],)
        if likeness[m][i, j] >= costs.least
    ]


def _likeness(heard: Spelt, known: Spelt, block: _Block, move: tuple[int, int]) -> Float32:
    """Return how alike spellings are that end in front of (i, j), float32 [n_heard + 1, n_known + 1]."""
    n, m = block.heard_stop - block.heard, block.known_stop - block.known
    out = np.zeros((n + 1, m + 1), np.float32)
    a, b = move
    if a > n or b > m:
        return out
    for kind in ("letters", "sounds"):
        ours, theirs = getattr(heard, kind), getattr(known, kind)
        if ours and theirs:
            rows = _joined(ours[block.heard : block.heard_stop], a)
            columns = _joined(theirs[block.known : block.known_stop], b)
            np.maximum(out[a:, b:], _similarities(rows, columns), out=out[a:, b:])
    return out


def _joined(words: Sequence[str], n: int) -> list[str]:
    return ["".join(words[i : i + n]) for i in range(len(words) - n + 1)]


def _similarities(rows: list[str], columns: list[str]) -> Float32:
    """Return normalised Levenshtein similarities, float32 [n_rows, n_columns]; equal spellings once."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    ours, row = np.unique(np.array(rows, object), return_inverse=True)
    theirs, column = np.unique(np.array(columns, object), return_inverse=True)
    each = cdist(ours, theirs, scorer=Levenshtein.normalized_similarity, dtype=np.float32, workers=1)
    both: Float32 = each[row[:, None], column[None, :]]
    return both


def _gains(
    heard: Spelt, known: Spelt, block: _Block, likeness: Float32, move: tuple[int, int], costs: PairingCosts
) -> Float32:
    """Return what pairs that end in front of (i, j) gain, float32 [n_heard + 1, n_known + 1]."""
    a, b = move
    theirs = known.letters[block.known : block.known_stop]
    size = np.array([len("".join(theirs[max(0, j - b) : j])) for j in range(len(theirs) + 1)], np.float32)
    weight = 0.3 + 0.7 * np.minimum(size / costs.letters, 1.0)
    least = costs.least if move == (1, 1) else costs.least_joined
    other = np.float32(-costs.mistaken) if move == (1, 1) else _NEVER
    gains = np.where(likeness >= least, weight * (2 * likeness - 1) - costs.joining * (a + b - 2), other)
    gains[:a] = _NEVER
    gains[:, :b] = _NEVER
    for side, (spelt, first, n) in enumerate(((heard, block.heard, a), (known, block.known, b))):
        for i in range(len(gains) if side == 0 else gains.shape[1]):
            held = spelt.joins[first + i - n + 1 : first + i] if spelt.joins and i >= n else ()
            if not all(held):
                gains[(i,) if side == 0 else (slice(None), i)] = _NEVER
    return gains.astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Table:
    """Best scores of paths to (i, j) that end in a pair, in a skipped known word, in a skipped heard word."""

    paired: Float32
    skip_known: Float32
    skip_heard: Float32
    move: npt.NDArray[np.int8]
    origin: npt.NDArray[np.int32]  # column in which the run of skipped known words begins
    longer: npt.NDArray[np.bool_]  # whether the run of skipped heard words is longer than one

    def best(self, i: int, j: int) -> int:
        """Return 0, 1 or 2: which of the three is best."""
        return int(np.argmax((self.paired[i, j], self.skip_known[i, j], self.skip_heard[i, j])))


def _fill(gains: list[Float32], costs: PairingCosts) -> _Table:
    n, m = gains[0].shape
    shape = (n, m)
    never = np.full(shape, _NEVER, np.float32)
    table = _Table(
        never.copy(), never.copy(), never, np.zeros(shape, np.int8), np.zeros(shape, np.int32), np.zeros(shape, bool)
    )
    best = np.full(shape, _NEVER, np.float32)
    columns = np.arange(m, dtype=np.int32)
    ramp = np.float32(costs.gap_extend) * columns
    opened = np.float32(costs.gap_open)
    for i in range(n):
        if i == 0:
            table.paired[0, 0] = 0
        else:
            _pairs_of_row(table, best, gains, i)
            begun, grown = best[i - 1] - opened, table.skip_heard[i - 1] - np.float32(costs.gap_extend)
            np.maximum(begun, grown, out=table.skip_heard[i])
            table.longer[i] = grown > begun
        before = np.maximum(table.paired[i], table.skip_heard[i])
        reach = before + ramp
        highest = np.maximum.accumulate(reach)
        since = np.maximum.accumulate(np.where(reach >= highest, columns, 0))
        table.skip_known[i, 1:] = highest[:-1] - opened - ramp[1:] + np.float32(costs.gap_extend)
        table.origin[i, 1:] = since[:-1]
        np.maximum(before, table.skip_known[i], out=best[i])
    return table


def _pairs_of_row(table: _Table, best: Float32, gains: list[Float32], i: int) -> None:
    """Fill the scores of paths that end in a pair, for one row."""
    for number, ((a, b), gain) in enumerate(zip(_MOVES, gains, strict=True)):
        if a > i or b >= gain.shape[1]:
            continue
        got = best[i - a, : gain.shape[1] - b] + gain[i, b:]
        better = got > table.paired[i, b:]
        table.paired[i, b:][better] = got[better]
        table.move[i, b:][better] = number


def _walk(table: _Table) -> list[tuple[int, int, int]]:
    """Return the pairs of the best path: where each ends, and its move."""
    i, j = table.paired.shape[0] - 1, table.paired.shape[1] - 1
    found: list[tuple[int, int, int]] = []
    state = table.best(i, j)
    while i > 0 or j > 0:
        if state == 0:
            move = int(table.move[i, j])
            found.append((i, j, move))
            i, j = i - _MOVES[move][0], j - _MOVES[move][1]
            state = table.best(i, j)
        elif state == 1:
            j = int(table.origin[i, j])
            state = 0 if table.paired[i, j] >= table.skip_heard[i, j] else 2
        else:
            state = 2 if table.longer[i, j] else table.best(i - 1, j)
            i -= 1
    return found[::-1]
