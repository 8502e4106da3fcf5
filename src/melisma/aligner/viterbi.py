"""The best CTC path that spells a text: exact, vectorised over states, in memory that grows with the root of time.

States alternate between blanks and tokens, `blank 0, token 0, blank 1, token 1 … blank n`. Forward scores are kept
only at every √T-th frame; going back, each stretch is run again with back-pointers, over the few states that the path
can have crossed. An hour against fifty thousand states takes some hundred megabytes instead of seven gigabytes.

A frame costs three operations on vectors: scores are counted from what a blank scores in that frame, so that a blank
adds nothing; whoever may skip a blank may enter it and leave it in the same step, so that the best way into a blank is
half of the best way into the token behind it; and between equal tokens, where the blank may not be skipped, it is a
token itself. Of equally good ways into a state that of staying is taken, then that of the blank, then the skip; so of
equally good paths the one that gets on early.

References
----------
Graves et al., ICML 2006, section 4.1, for the states and their transitions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError, TooFewFrames
from melisma.core.records import Float32, Int64, Tokens

NEVER = np.float32(-1e30)
_FLOOR = np.float32(-1e4)  # nats: no blank that scores less is on any path
# Scores that are gathered at once, and the frames that they may span: what fits into a cache.
_GATHERED, _FEWEST, _MOST = 1 << 17, 8, 128

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """What may stand between lines: any sound, at `cost` nats a frame below the best label of that frame."""

    cost: float

    def __post_init__(self) -> None:
        if not 0 <= self.cost < float("inf"):
            raise InputError(f"a wildcard costs 0 nats a frame or more, not {self.cost}")


@dataclass(frozen=True, slots=True)
class Pause:
    """What a blank costs where singers hardly pause, in nats a frame; between lines it costs nothing.

    Without it a path may wait anywhere for as long as it likes: the first word of a line that is hard to hear is left
    behind at the end of the line before, and the instrumental gap becomes a pause inside a word.
    """

    in_word: float | Float32 = 0.0  # one for all frames, or one each, [n_frames]
    in_line: float | Float32 = 0.0  # between two words of a line

    def __post_init__(self) -> None:
        for cost in (self.in_word, self.in_line):
            if not (np.isfinite(cost).all() and np.min(cost, initial=0) >= 0):
                raise InputError(f"a pause costs 0 nats a frame or more, not {np.min(cost)}")


@dataclass(frozen=True, slots=True)
class Path:
    """The best path: for every frame the state it is in, and the score of the whole.

    `states` is int64 [n_frames]: 2 k is the blank before token k (or after the last), 2 k + 1 is token k.
    """

    states: Int64
    score: float


@dataclass(frozen=True, slots=True)
class _Lattice:
    """What no frame changes; a token of the lattice is one of the text, or the blank between two that are equal."""

    tokens: Int64  # [n], the column of the frame scores that each token takes
    blanks: Int64  # [n + 1], the column that each blank takes
    states: Int64  # [2 n + 1], the state of a `Path` that each state is
    alike: bool  # whether all blanks score nothing


@dataclass(frozen=True, slots=True)
class _Front:
    """Scores of the tokens [low, low + m) and of the blanks before, between and after them, changed in place."""

    low: int
    blanks: Float32  # [m + 1]
    tokens: Float32  # [m]


@dataclass(frozen=True, slots=True)
class _Moves:
    """Back-pointers of a stretch of frames, [n_frames, m] each, for the tokens from `low` on."""

    low: int
    entered: Bools  # whether the best way into the blank behind a token comes from the token
    moved: Bools  # whether the best way into a token comes through the blank before it


def frames_needed(ids: Int64) -> int:
    """Return the fewest frames that can spell the tokens: one each, and a blank between equal neighbours."""
    return len(ids) + int((ids[1:] == ids[:-1]).sum())


def viterbi(
    log_probs: Float32, tokens: Tokens, blank: int = 0, wildcard: Wildcard | None = None, pause: Pause | None = None
) -> Path:
    """Find the best path through an emission that spells the tokens.

    Parameters
    ----------
    log_probs : float32 [n_frames, n_labels]
        Natural-log probabilities.
    tokens : Tokens
        Label ids without blanks, with the word of each and the line of each word.
    blank : int
        Label of the blank.
    wildcard : Wildcard, optional
        Let the blanks before, between and after lines absorb sound that is not in the text.
    pause : Pause, optional
        Make blanks inside words and lines dear, so that lines keep together and wait in the gaps between them.

    Raises
    ------
    TooFewFrames
        If no path can spell the tokens in so few frames.
    """
    ids = tokens.ids
    n_frames, n_labels = log_probs.shape
    needed = frames_needed(ids)
    if n_frames < needed:
        raise TooFewFrames(n_frames, needed)
    if n_frames == 0:
        return Path(np.zeros(0, np.int64), 0.0)
    kinds = blank_kinds(tokens)
    rest = rest_scores(log_probs, blank, wildcard, pause or Pause())
    base = np.maximum(rest[:, _AT_EDGE], _FLOOR)
    # What is impossible stays a number, or a difference of two would be none.
    columns = np.maximum(np.concatenate([log_probs, rest], axis=1) - base[:, None], NEVER)
    alike = not columns[:, n_labels:].any()
    lattice = _lattice(ids, n_labels + kinds, alike)
    states = lattice.states[_best(columns, lattice)]
    return Path(states, _score(log_probs, rest, ids, kinds, states))


_IN_WORD, _IN_LINE, _AT_EDGE = 0, 1, 2


def blank_kinds(tokens: Tokens) -> Int64:
    """Return whether each blank stands inside a word, between words of a phrase or between phrases, int64 [n + 1]."""
    words = tokens.word
    lines = (tokens.line if tokens.phrase is None else tokens.phrase)[words]
    kinds = np.full(len(words) + 1, _AT_EDGE, np.int64)
    within = np.where(words[1:] == words[:-1], _IN_WORD, _IN_LINE)
    kinds[1:-1] = np.where(lines[1:] == lines[:-1], within, _AT_EDGE)
    return kinds


def rest_scores(log_probs: Float32, blank: int, wildcard: Wildcard | None, pause: Pause) -> Float32:
    """Return how well a blank of each kind of `blank_kinds` fits each frame, in nats, float32 [n_frames, 3]."""
    plain = edge = log_probs[:, blank]
    if wildcard is not None:
        edge = np.maximum(plain, log_probs.max(axis=1) - np.float32(wildcard.cost))
    costs = (np.asarray(cost, np.float32) for cost in (pause.in_word, pause.in_line))
    return np.stack([*(plain - cost for cost in costs), edge], axis=1)


def _lattice(ids: Int64, blanks: Int64, alike: bool) -> _Lattice:
    """Put a token that scores as a blank between equal neighbours: they cannot be told apart without one."""
    equal = np.flatnonzero(ids[1:] == ids[:-1]) + 1
    tokens = np.insert(ids, equal, blanks[equal])
    own = np.insert(np.ones(len(ids), np.int64), equal, 0)
    before = np.concatenate([[0], np.cumsum(own)])  # tokens of the text before each of the lattice
    states = np.repeat(2 * before, 2)[:-1]
    states[1::2] += own
    return _Lattice(tokens, blanks[before], states, alike)


def _best(columns: Float32, lattice: _Lattice) -> Int64:
    """Return the state of the lattice that the best path is in at each frame, int64 [n_frames]."""
    n_frames, n = len(columns), len(lattice.tokens)
    stride = max(1, int(np.sqrt(n_frames)))
    front = _first(columns, lattice)
    keep = []
    for first in range(1, n_frames, stride):
        keep.append(_Front(0, front.blanks.copy(), front.tokens.copy()))
        _run(columns, lattice, front, (first, min(first + stride, n_frames)))
    state = 2 * n - 1 if n and front.tokens[-1] >= front.blanks[-1] else 2 * n
    states = np.empty(n_frames, np.int64)
    for k in range(len(keep) - 1, -1, -1):
        first, last = 1 + k * stride, min(1 + (k + 1) * stride, n_frames)
        moves = _run(columns, lattice, _cut(keep.pop(), state, last - first), (first, last), remember=True)
        state = _trace(moves, state, states[first:last])
    states[0] = state
    return states


def _first(columns: Float32, lattice: _Lattice) -> _Front:
    """Return the scores after the first frame."""
    n = len(lattice.tokens)
    blanks, tokens = np.full(n + 1, NEVER, np.float32), np.full(n, NEVER, np.float32)
    blanks[0] = columns[0, lattice.blanks[0]]
    if n:
        tokens[0] = columns[0, lattice.tokens[0]]
    return _Front(0, blanks, tokens)


def _cut(front: _Front, state: int, n_frames: int) -> _Front:
    """Keep what can lead to a state in so many frames."""
    low, high = max(0, state // 2 - n_frames), (state + 1) // 2
    return _Front(low, front.blanks[low : high + 1], front.tokens[low:high])


def _run(columns: Float32, lattice: _Lattice, front: _Front, frames: tuple[int, int], remember: bool = False) -> _Moves:
    """Run a front over frames; without `remember` there is nothing in the moves."""
    first, last = frames
    low, m = front.low, len(front.tokens)
    n_spare = len(columns) - len(lattice.tokens)  # frames that a path may stay in a state, all in all
    shape = (last - first, m if remember else 0)
    moves = _Moves(low, np.empty(shape, np.bool_), np.empty(shape, np.bool_))
    step = min(max(_GATHERED // max(m, 1), _FEWEST), _MOST)
    for begin in range(first, last, step):
        stop = min(begin + step, last)
        # What cannot get to the end any more, and what no path has reached yet, is left as it is.
        b = min(m, stop - low)
        a = min(max(0, begin - n_spare - 1 - low), b)
        part = _Front(low + a, front.blanks[a : b + 1], front.tokens[a:b])
        _lower(part)
        gained = columns[begin:stop].take(lattice.tokens[low + a : low + b], axis=1, mode="clip")
        rests = (
            None
            if lattice.alike
            else columns[begin:stop].take(lattice.blanks[low + a : low + b + 1], axis=1, mode="clip")
        )
        rows = slice(begin - first, stop - first)
        _steps(part, gained, rests, (moves.entered[rows, a:b], moves.moved[rows, a:b]) if remember else None)
    return moves


def _lower(front: _Front) -> None:
    """Bring the best score to zero: near it float32 is exact over any length; NEVER is too far off to be moved."""
    top = max(front.blanks.max(), front.tokens.max(initial=NEVER))
    np.subtract(front.blanks, top, out=front.blanks)
    np.subtract(front.tokens, top, out=front.tokens)


def _steps(front: _Front, gained: Float32, rests: Float32 | None, moves: tuple[Bools, Bools] | None) -> None:
    """Take a front from frame to frame: `gained` [n, m] is what tokens score, `rests` [n, m + 1] what blanks do."""
    blanks, tokens = front.blanks, front.tokens
    before, behind = blanks[:-1], blanks[1:]
    maximum, greater, add = np.maximum, np.greater, np.add
    for i, gain in enumerate(gained):
        if moves is not None:
            greater(tokens, behind, out=moves[0][i])
        maximum(tokens, behind, out=behind)
        if moves is not None:
            greater(before, tokens, out=moves[1][i])
        maximum(tokens, before, out=tokens)
        add(tokens, gain, out=tokens)
        if rests is not None:
            add(blanks, rests[i], out=blanks)


def _trace(moves: _Moves, state: int, states: Int64) -> int:
    """Follow the moves back from a state, into `states` [n_frames]; return the state in the frame before."""
    entered, moved, low = moves.entered, moves.moved, moves.low
    for i in range(len(states) - 1, -1, -1):
        states[i] = state
        at = (state >> 1) - low  # of the token, or of the blank before it
        if state & 1:
            if not moved[i, at]:
                continue
            state -= 1
        if at and entered[i, at - 1]:
            state -= 1
    return state


def _score(log_probs: Float32, rest: Float32, ids: Int64, kinds: Int64, states: Int64) -> float:
    """Add up what a path scores, in float64."""
    frames, at = np.arange(len(states)), states // 2
    blanks = rest[frames, kinds[at]]
    if not len(ids):
        return float(blanks.sum(dtype=np.float64))
    tokens = log_probs[frames, ids[np.minimum(at, len(ids) - 1)]]
    return float(np.where(states % 2 == 0, blanks, tokens).sum(dtype=np.float64))
