"""The best CTC path that spells a text: exact, vectorised over states, in memory that grows with the root of time.

States alternate between blanks and tokens, `blank 0, token 0, blank 1, token 1 … blank n`. Forward scores are kept
only at every √T-th frame; going back, each stretch is run again with int8 back-pointers, over the few states that the
path can have crossed. An hour against fifty thousand states takes some hundred megabytes instead of seven gigabytes.

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
_STAY, _NEXT, _SKIP = np.int8(0), np.int8(1), np.int8(2)


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
    """Per-state facts that no frame changes."""

    labels: Int64  # [n_tokens]
    skips: npt.NDArray[np.bool_]  # [n_tokens], whether the blank before a token may be left out
    kinds: Int64  # [n_tokens + 1], what kind of blank each is: a column of the rest scores
    alike: bool  # whether all blanks score alike


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
    n_frames = len(log_probs)
    needed = frames_needed(ids)
    if n_frames < needed:
        raise TooFewFrames(n_frames, needed)
    if n_frames == 0:
        return Path(np.zeros(0, np.int64), 0.0)
    skips = np.zeros(len(ids), np.bool_)
    skips[1:] = ids[1:] != ids[:-1]
    lattice = _Lattice(ids, skips, blank_kinds(tokens), alike=wildcard is None and pause is None)
    rest = rest_scores(log_probs, blank, wildcard, pause or Pause())
    stride = max(1, int(np.sqrt(n_frames)))
    keep = _forward(log_probs, rest, lattice, stride)
    return _backward(log_probs, rest, lattice, stride, keep)


_IN_WORD, _IN_LINE, _AT_EDGE = 0, 1, 2


def blank_kinds(tokens: Tokens) -> Int64:
    """Return whether each blank stands inside a word, between words of a line or at its edge, int64 [n_tokens + 1]."""
    words = tokens.word
    lines = tokens.line[words]
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


def _first(lattice: _Lattice, frame: Float32, rest: Float32) -> tuple[Float32, Float32]:
    """Return scores after the first frame: blanks [n_tokens + 1] and tokens [n_tokens]."""
    blanks = np.full(len(lattice.kinds), NEVER, np.float32)
    tokens = np.full(len(lattice.labels), NEVER, np.float32)
    blanks[0] = rest[int(lattice.kinds[0])]
    if len(tokens):
        tokens[0] = frame[lattice.labels[0]]
    return blanks, tokens


def _forward(log_probs: Float32, rest: Float32, lattice: _Lattice, stride: int) -> list[tuple[Float32, Float32, float]]:
    """Run over all frames; return the scores at frames 0, stride, 2 stride … with the offset taken off each."""
    blanks, tokens = _first(lattice, log_probs[0], rest[0])
    shut = np.where(lattice.skips, np.float32(0), NEVER)
    offset = 0.0
    keep = [(blanks.copy(), tokens.copy(), offset)]
    best, leap = np.empty_like(tokens), np.full_like(tokens, NEVER)
    for t in range(1, len(log_probs)):
        np.maximum(tokens, blanks[:-1], out=best)
        np.add(tokens[:-1], shut[1:], out=leap[1:])
        np.maximum(best, leap, out=best)
        np.maximum(blanks[1:], tokens, out=blanks[1:])
        blanks += rest[t, _AT_EDGE] if lattice.alike else rest[t].take(lattice.kinds)
        np.add(best, log_probs[t].take(lattice.labels), out=tokens)
        if t % stride == 0:
            # Scores near zero keep float32 exact over any length; states that no path reaches stay unreachable.
            top = max(blanks.max(), tokens.max(initial=NEVER))
            blanks = np.maximum(blanks - top, NEVER)
            tokens = np.maximum(tokens - top, NEVER)
            offset += float(top)
            keep.append((blanks.copy(), tokens.copy(), offset))
    if (len(log_probs) - 1) % stride:
        keep.append((blanks, tokens, offset))
    return keep


def _backward(
    log_probs: Float32, rest: Float32, lattice: _Lattice, stride: int, keep: list[tuple[Float32, Float32, float]]
) -> Path:
    n_frames, n = len(log_probs), len(lattice.labels)
    blanks, tokens, offset = keep[-1]
    state = 2 * n
    score = float(blanks[-1])
    if n and tokens[-1] >= blanks[-1]:
        state, score = 2 * n - 1, float(tokens[-1])
    states = np.empty(n_frames, np.int64)
    states[-1] = state
    last = n_frames - 1
    for first in range((last - 1) // stride * stride if last else 0, -1, -stride):
        if first == last:
            break
        moves, low = _moves(log_probs, rest, lattice, (first, last), keep[first // stride], state)
        for t in range(last, first, -1):
            state -= int(moves[t - first - 1, state - low])
            states[t - 1] = state
        last = first
    return Path(states, score + offset)


def _moves(
    log_probs: Float32,
    rest: Float32,
    lattice: _Lattice,
    frames: tuple[int, int],
    start: tuple[Float32, Float32, float],
    state: int,
) -> tuple[npt.NDArray[np.int8], int]:
    """Run frames first + 1 … last again over the states that can lead to `state`; return int8 [n, width] moves.

    A move says how many states back the best way into a state came from; the second value is the lowest state.
    """
    first, last = frames
    low = max(0, (state - 2 * (last - first)) // 2)  # token index; its blank is state 2 low
    high = state // 2 + 1
    blanks = start[0][low:high].copy()
    tokens = np.full(high - low, NEVER, np.float32)
    reach = min(high, len(lattice.labels))
    tokens[: reach - low] = start[1][low:reach]
    labels = np.zeros(high - low, np.int64)
    labels[: reach - low] = lattice.labels[low:reach]
    skips = np.zeros(high - low, np.bool_)
    skips[: reach - low] = lattice.skips[low:reach]
    skips[0] = False
    kinds = lattice.kinds[low:high]
    moves = np.zeros((last - first, 2 * (high - low)), np.int8)
    before = np.full_like(tokens, NEVER)
    for t in range(first + 1, last + 1):
        row = moves[t - first - 1]
        before[1:] = tokens[:-1]
        enter = before > blanks
        row[0::2] = np.where(enter, _NEXT, _STAY)
        best = np.maximum(tokens, blanks)
        move = np.where(blanks > tokens, _NEXT, _STAY)
        leap = skips & (before > best)
        row[1::2] = np.where(leap, _SKIP, move)
        best = np.where(leap, before, best)
        blanks = np.where(enter, before, blanks) + rest[t][kinds]
        tokens = best + log_probs[t][labels]
    return moves, 2 * low
