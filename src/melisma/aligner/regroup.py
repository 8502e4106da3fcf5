"""Words that were heard, put into the lines that synced lyrics give: by time and by spelling, and no word is lost.

Each word belongs to a line whose time it lies in, the rather the more it is spelt like a word of the line, and lines go
forward. A word that no line claims is counted as skipped and kept: it joins its nearest neighbour's line, or stands in
a line of its own. Where too many words are skipped, the lines given are not those that were sung, and the words are
grouped by the gaps between them instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from melisma.core.records import Line, LyricLine, Word
from melisma.text.spellings import pieces

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]

_NEVER = np.float32(-1e9)
_LIKE = 0.5  # likeness of spellings that speaks neither for nor against a line
_IN_TIME = 0.35  # what a word inside of a line's time gains; one that is spelt like none in the line loses up to 0.5

_OPENS = 0.2  # what the first word of a line gains near the line's start: it may be sung a little early


class RegroupMode(StrEnum):
    """How words were put into lines."""

    HYBRID = "hybrid"
    GAPS = "gaps"


@dataclass(frozen=True, slots=True)
class RegroupConfig:
    """Thresholds."""

    tolerance_s: float = 1.0  # a word so far outside of a line's time may still be the line's
    max_skipped_ratio: float = 0.3  # beyond, gaps decide
    near_s: float = 0.6  # a skipped word so near to one that a line claims joins that line
    most_joined: int = 4  # skipped words in a row that do so; more are a line of their own
    last_line_s: float = 10.0  # length of a line whose end nobody says, at most
    gap_s: float = 1.0  # of silence that ends a line, where gaps decide
    most_words: int = 12  # in a line, where gaps decide


@dataclass(frozen=True, slots=True)
class Regrouped:
    """Every word that came in, once and in order, with its line; and what a log line should hold."""

    words: tuple[Word, ...]
    lines: tuple[Line, ...]
    given: tuple[int | None, ...]  # for each line the one of the lyrics that it is; None for a line of its own
    regroup_mode_used: RegroupMode
    skipped_words: int
    skipped_words_ratio: float


def regroup(words: Sequence[Word], lines: Sequence[LyricLine], config: RegroupConfig | None = None) -> Regrouped:
    """Put heard words into given lines.

    Parameters
    ----------
    words : sequence of Word, [n_words]
        In the order in which they were heard; times never go back. Their lines are not looked at.
    lines : sequence of LyricLine, [n_lines]
        With `start_ms` on the clock of the recording (see `melisma.aligner.synced`), and `end_ms` where it is known;
        a line without a start lies anywhere between its neighbours.
    config : RegroupConfig, optional
        Thresholds.

    Returns
    -------
    Regrouped
        Lines are never empty, and each given line is used once at most.
    """
    config = config or RegroupConfig()
    if not words:
        return Regrouped((), (), (), RegroupMode.HYBRID, 0, 0.0)
    claims = _claims(words, lines, config)
    skipped = int((claims < 0).sum())
    ratio = skipped / len(words)
    if ratio > config.max_skipped_ratio:
        groups = _by_gaps(*_times(words), (0, len(words)), config)
        return _made(words, groups, lines, RegroupMode.GAPS, skipped)
    return _made(words, _joined(words, claims, config), lines, RegroupMode.HYBRID, skipped)


def _times(words: Sequence[Word]) -> tuple[Float64, Float64]:
    """Return starts and ends in seconds, [n_words]; a word without a time stands at the end of the one before it."""
    starts, ends, at = np.empty(len(words)), np.empty(len(words)), 0.0
    for i, word in enumerate(words):
        starts[i] = at if word.start_s is None else word.start_s
        ends[i] = starts[i] if word.end_s is None else word.end_s
        at = ends[i]
    return starts, ends


def _windows(lines: Sequence[LyricLine], config: RegroupConfig) -> Float64:
    """Return the time of each line, [n_lines, 2] in seconds: to the next line's start where no end is given."""
    out = np.empty((len(lines), 2))
    following = np.inf
    for k in range(len(lines) - 1, -1, -1):
        start, end = lines[k].start_ms, lines[k].end_ms
        begin = start / 1000 if start is not None else -np.inf
        stop = end / 1000 if end is not None else following
        out[k] = begin, min(stop, begin + config.last_line_s) if np.isinf(stop) else stop
        following = begin if start is not None else following
    known = -np.inf
    for k, line in enumerate(lines):
        if line.start_ms is None:
            out[k, 0] = known
        known = max(known, out[k, 0])
    return out


def _claims(words: Sequence[Word], lines: Sequence[LyricLine], config: RegroupConfig) -> Int32:
    """Return the line of each word, -1 where none claims it, [n_words]: lines never go back, the sum of gains is best.

    Dynamic programming over words, all lines at once; memory n_words · n_lines · 5 bytes.
    """
    n_words, n_lines = len(words), len(lines)
    claims = np.full(n_words, -1, np.int32)
    if not n_lines:
        return claims
    windows, likeness = _windows(lines, config), _Likeness(words, lines)
    starts, _ = _times(words)
    total = np.full(n_lines, _NEVER, np.float32)  # best sum with the last claim in each line
    total[0] = 0.0
    came_from = np.zeros((n_words, n_lines), np.int32)
    claimed = np.zeros((n_words, n_lines), bool)
    every = np.arange(n_lines, dtype=np.int32)
    for i in range(n_words):
        best = np.maximum.accumulate(total)
        origin = np.maximum.accumulate(np.where(total == best, every, 0))
        near = _near(starts[i], windows, config)
        gain = np.full(n_lines, _NEVER, np.float32)
        gain[near] = likeness.of(i, near) - _LIKE + _in_time(starts[i], windows[near], config)
        gain[near] += _OPENS * likeness.to_first(i, near) * _at_start(starts[i], windows[near], config)
        claim = best + gain
        claimed[i] = claim > total
        came_from[i] = np.where(claimed[i], origin, every)
        total = np.where(claimed[i], claim, total)
    at = int(total.argmax())
    for i in range(n_words - 1, -1, -1):
        if claimed[i, at]:
            claims[i] = at
        at = int(came_from[i, at])
    return claims


def _near(start_s: float, windows: Float64, config: RegroupConfig) -> npt.NDArray[np.int64]:
    within = (windows[:, 0] - config.tolerance_s <= start_s) & (start_s < windows[:, 1] + config.tolerance_s)
    return np.flatnonzero(within)


def _in_time(start_s: float, windows: Float64, config: RegroupConfig) -> Float32:
    """Return what being in time is worth: all of it inside, none at the tolerance and beyond."""
    outside = np.maximum(np.maximum(windows[:, 0] - start_s, start_s - windows[:, 1]), 0.0)
    return (_IN_TIME * (1.0 - outside / max(config.tolerance_s, 1e-9))).astype(np.float32)


def _at_start(start_s: float, windows: Float64, config: RegroupConfig) -> Float32:
    """Return how near a word is to the start of each line: 1 at it, 0 at the tolerance and beyond."""
    near = 1.0 - np.abs(windows[:, 0] - start_s) / max(config.tolerance_s, 1e-9)
    return np.maximum(near, 0.0).astype(np.float32)


class _Likeness:
    """How much a word is spelt like the most similar word of a line, in [0, 1]."""

    def __init__(self, words: Sequence[Word], lines: Sequence[LyricLine]) -> None:
        from rapidfuzz import fuzz
        from rapidfuzz.process import cdist

        heard = ["".join(pieces(word.text)) for word in words]
        known = [["".join(pieces(word)) for word in line.words] for line in lines]
        ours = {spelling: i for i, spelling in enumerate(dict.fromkeys(heard))}
        theirs = {spelling: i for i, spelling in enumerate(dict.fromkeys(s for line in known for s in line))}
        self._ours = [ours[spelling] for spelling in heard]
        self._theirs = [np.array([theirs[spelling] for spelling in line], np.int64) for line in known]
        self._table = cdist(list(ours), list(theirs), scorer=fuzz.ratio, dtype=np.uint8)

    def of(self, word: int, lines: npt.NDArray[np.int64]) -> Float32:
        """Return the likeness of a word to each of some lines."""
        row = self._table[self._ours[word]]
        best = [float(row[self._theirs[k]].max()) / 100 if len(self._theirs[k]) else 0.0 for k in lines]
        return np.array(best, np.float32)

    def to_first(self, word: int, lines: npt.NDArray[np.int64]) -> Float32:
        """Return the likeness of a word to the first word of each of some lines."""
        row = self._table[self._ours[word]]
        first = [float(row[self._theirs[k][0]]) / 100 if len(self._theirs[k]) else 0.0 for k in lines]
        return np.array(first, np.float32)


@dataclass(frozen=True, slots=True)
class _Group:
    """Words [first, stop) and the line given that they are."""

    first: int
    stop: int
    given: int | None


def _joined(words: Sequence[Word], claims: Int32, config: RegroupConfig) -> list[_Group]:
    """Make groups of claimed words; runs of words that nobody claims join a neighbour or stand by themselves."""
    starts, ends = _times(words)
    owner: list[int | None] = [int(claim) if claim >= 0 else None for claim in claims]
    alone: list[_Group] = []
    i = 0
    while i < len(owner):
        stop = next((j for j in range(i, len(owner)) if claims[j] >= 0), len(owner))
        if stop == i:
            i += 1
            continue
        left, right = owner[i - 1] if i else None, owner[stop] if stop < len(owner) else None
        before = starts[i] - ends[i - 1] if left is not None else np.inf
        after = starts[stop] - ends[stop - 1] if right is not None else np.inf
        if left is not None and left == right:
            owner[i:stop] = [left] * (stop - i)
        elif stop - i > config.most_joined or min(before, after) > config.near_s:
            alone += _by_gaps(starts, ends, (i, stop), config)
        else:
            cut = stop if right is None else i if left is None else _cut(starts, ends, i, stop)
            owner[i:stop] = [*[left] * (cut - i), *[right] * (stop - cut)]
        i = stop
    edges = [k for k in range(len(owner)) if not k or owner[k] != owner[k - 1]]
    runs = [_Group(a, b, owner[a]) for a, b in pairwise([*edges, len(owner)])]
    return sorted([*(run for run in runs if run.given is not None), *alone], key=lambda group: group.first)


def _cut(starts: Float64, ends: Float64, first: int, stop: int) -> int:
    """Return where a run of words parts into those that go with the word before it and with the word after it."""
    return max(range(first, stop + 1), key=lambda at: starts[at] - ends[at - 1])


def _by_gaps(starts: Float64, ends: Float64, part: tuple[int, int], config: RegroupConfig) -> list[_Group]:
    """Break words [first, stop) at silences, and inside of what is too long for a line at its longest silence."""
    begin, end = part
    silent = (i for i in range(begin + 1, end) if starts[i] - ends[i - 1] >= config.gap_s)
    waiting = list(pairwise([begin, *silent, end]))[::-1]
    groups: list[_Group] = []
    while waiting:
        first, stop = waiting.pop()
        if stop - first <= config.most_words:
            groups.append(_Group(first, stop, None))
            continue
        # Where all silences are the same, in the middle.
        at = max(range(first + 1, stop), key=lambda i: (starts[i] - ends[i - 1], -abs(2 * i - first - stop)))
        waiting += [(at, stop), (first, at)]
    return groups


def _made(
    words: Sequence[Word], groups: Sequence[_Group], lines: Sequence[LyricLine], mode: RegroupMode, skipped: int
) -> Regrouped:
    out: list[Line] = []
    stanza = 0
    for group in groups:
        stanza = max(stanza, lines[group.given].stanza) if group.given is not None else stanza
        out.append(Line(group.first, group.stop, stanza))
    placed = tuple(replace(word, line=k) for k, line in enumerate(out) for word in words[line.first : line.stop])
    given = tuple(group.given for group in groups)
    return Regrouped(placed, tuple(out), given, mode, skipped, skipped / len(words))
