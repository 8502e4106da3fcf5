"""The best way through lyrics whose passages may be left out, sung again, or sung in another order.

Between passages, runs of words that are sung as a whole or not at all, a path may leap from one boundary to another
within a frame. Leaving a passage out costs what it is worth; going back costs a jump, and gives back what the passages
that are passed again are worth, so that a verse sung later than it is written costs two jumps and no more. Inside a
passage the states are those of `melisma.aligner.viterbi`. Scores at the head of some frames are kept and the stretches
between them run again with int8 back-pointers, so that an hour takes no more memory than minutes.

References
----------
Graves et al., ICML 2006, section 4.1, for the states inside a passage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.aligner.passages import Passages
from melisma.aligner.viterbi import NEVER, Path, blank_kinds
from melisma.core.records import Float32, Int64, Tokens

Entries = Callable[[int, int], Float32]

_AT_ONCE = 1 << 26  # bytes of back-pointers
_NEXT, _LEAP = np.int8(1), np.int8(2)


@dataclass(frozen=True, slots=True)
class RouteCosts:
    """What leaving the written order costs, in nats.

    Parameters
    ----------
    leave, token : float
        What leaving out a run of passages costs: for itself, and for each of its tokens.
    aside : float
        What each token of a passage in parentheses costs that is left out; leaving one out costs nothing for itself.
    jump : float or None
        What going back costs, on top of which all that lies between is given back; None if no way goes back.
    """

    leave: float = 30.0
    token: float = 3.2
    aside: float = 3.2
    jump: float | None = 120.0


@dataclass(frozen=True, slots=True)
class Visit:
    """A passage that is sung.

    Parameters
    ----------
    passage : int
        Its number.
    token : int
        The first of its tokens in the text as it is sung.
    frames : tuple of int
        [first, stop) of its tokens.
    gain : float
        How much better it fits these frames than nothing being sung does, in nats a token; below zero for most.
    """

    passage: int
    token: int
    frames: tuple[int, int]
    gain: float


@dataclass(frozen=True, slots=True)
class Route:
    """The passages in the order in which they are sung, and the path through their tokens."""

    visits: tuple[Visit, ...]
    path: Path


@dataclass(frozen=True, slots=True)
class _Lattice:
    """Per-state facts that no frame changes."""

    labels: Int64  # [n_tokens]
    shut: Float32  # [n_tokens], 0 where the blank before a token may be left out, else NEVER
    kinds: Int64  # [n_tokens + 1], columns of the rest scores
    edges: Int64  # [n_passages + 1], blanks that passages begin and end with
    worth: Float32  # [n_passages + 1], of all passages before a boundary
    aside: Int64  # passages that are left out for their worth alone
    leave: np.float32
    jump: np.float32 | None
    index: Int64  # [n_passages + 1], counts from 0
    asides: Float32  # what they are worth


@dataclass(frozen=True, slots=True)
class _Heard:
    """What each frame says: of labels [n_frames, n_labels], of blanks by kind, and what it costs to begin."""

    log_probs: Float32
    rest: Float32
    entries: Entries | None

    def __len__(self) -> int:
        return len(self.log_probs)


@dataclass(slots=True)
class _State:
    """Scores in a frame: of blanks [n_tokens + 1] and of tokens [n_tokens], less `offset`."""

    blanks: Float32
    tokens: Float32
    offset: float = 0.0

    def copy(self) -> _State:
        return _State(self.blanks.copy(), self.tokens.copy(), self.offset)


@dataclass(slots=True)
class _Record:
    """Where each state of a stretch came from."""

    blanks: npt.NDArray[np.int8]  # [n_frames, n_tokens + 1], how many states back
    tokens: npt.NDArray[np.int8]  # [n_frames, n_tokens]
    origins: npt.NDArray[np.int32]  # [n_frames, n_passages + 1], the boundary that was left for this one


def find_route(
    log_probs: Float32,
    rest: Float32,
    tokens: Tokens,
    passages: Passages,
    costs: RouteCosts,
    entries: Entries | None = None,
) -> Route:
    """Find the best way through an emission.

    Parameters
    ----------
    log_probs : float32 [n_frames, n_labels]
        Natural-log probabilities.
    rest : float32 [n_frames, n_kinds]
        How well a blank of each kind fits each frame, as `melisma.aligner.viterbi.rest_scores` returns it.
    tokens : Tokens
        Labels of the whole text.
    passages : Passages
        How the text is split.
    costs : RouteCosts
        What leaving the written order costs.
    entries : callable, optional
        Called with [first, stop), returns what beginning a passage in each of these frames costs on top, in nats,
        float32 [stop - first, n_passages].
    """
    lattice = _lattice(tokens, passages, costs)
    n_frames, n = len(log_probs), len(tokens.ids)
    if n_frames == 0:
        return Route((), Path(np.zeros(0, np.int64), 0.0))
    step = max(1, min(n_frames, max(int(np.sqrt(n_frames)), _AT_ONCE // (2 * n + 4 * len(passages) + 5))))
    heard = _Heard(log_probs, rest, entries)
    state = _first(lattice, heard)
    kept = [state.copy()]
    for first in range(0, n_frames - 1 - step, step):
        _run(state, (first, first + step), heard, lattice, None)
        kept.append(state.copy())
    return _back(kept, step, heard, lattice)


def _lattice(tokens: Tokens, passages: Passages, costs: RouteCosts) -> _Lattice:
    ids, edges = tokens.ids, passages.tokens
    shut = np.full(len(ids), NEVER, np.float32)
    shut[1:][ids[1:] != ids[:-1]] = 0
    each = np.where(passages.backing, costs.aside, costs.token) * np.diff(edges)
    return _Lattice(
        labels=ids,
        shut=shut,
        kinds=blank_kinds(tokens),
        edges=edges,
        worth=np.concatenate([[0.0], np.cumsum(each)]).astype(np.float32),
        aside=np.flatnonzero(passages.backing),
        asides=each[passages.backing].astype(np.float32),
        index=np.arange(len(edges)),
        leave=np.float32(costs.leave),
        jump=None if costs.jump is None else np.float32(costs.jump),
    )


def _first(lattice: _Lattice, heard: _Heard) -> _State:
    frame, rest = heard.log_probs[0], heard.rest[0]
    blanks = np.full(len(lattice.kinds), NEVER, np.float32)
    tokens = np.full(len(lattice.labels), NEVER, np.float32)
    left_out = lattice.worth + np.where(np.arange(len(lattice.edges)) > 0, lattice.leave, np.float32(0))
    blanks[lattice.edges] = rest[lattice.kinds[lattice.edges]] - left_out
    heads = lattice.edges[:-1]
    tokens[heads] = frame[lattice.labels[heads]] - left_out[:-1]
    if heard.entries is not None:
        tokens[heads] -= heard.entries(0, 1)[0]
    return _State(blanks, tokens)


def _run(state: _State, frames: tuple[int, int], heard: _Heard, lattice: _Lattice, record: _Record | None) -> None:
    """Run over frames first + 1 … last, in place; note where every state came from, if asked."""
    first, last = frames
    blanks, tokens = state.blanks, state.tokens
    heads = lattice.edges[:-1]
    dear = None if heard.entries is None else heard.entries(first + 1, last + 1)
    leap = np.full(len(tokens), NEVER, np.float32)
    enter = np.empty_like(tokens)
    for t in range(first + 1, last + 1):
        enter[:] = blanks[:-1]
        np.add(tokens[:-1], lattice.shut[1:], out=leap[1:])
        if dear is not None:
            enter[heads] -= dear[t - first - 1]
            leap[heads] -= dear[t - first - 1]
        if record is not None:
            row = t - first - 1
            moves = (enter > tokens).view(np.int8)
            np.maximum(moves, _LEAP * (leap > np.maximum(tokens, enter)).view(np.int8), out=record.tokens[row])
            record.blanks[row, 1:] = tokens > blanks[1:]
        np.maximum(blanks[1:], tokens, out=blanks[1:])
        blanks += heard.rest[t].take(lattice.kinds)
        np.maximum(tokens, enter, out=tokens)
        np.maximum(tokens, leap, out=tokens)
        tokens += heard.log_probs[t].take(lattice.labels)
        origin = _leap(blanks, lattice, record is not None)
        if record is not None:
            record.origins[row] = origin
    peak = max(blanks.max(), tokens.max(initial=NEVER))
    np.maximum(blanks - peak, NEVER, out=blanks)
    np.maximum(tokens - peak, NEVER, out=tokens)
    state.offset += float(peak)


def _leap(blanks: Float32, lattice: _Lattice, noted: bool) -> Int64:
    """Let paths leap from boundary to boundary, in place; return which boundary each was reached from, if noted."""
    here = blanks[lattice.edges]
    origin = lattice.index
    if len(lattice.aside):
        past = here[lattice.aside] - lattice.asides
        better = past > here[lattice.aside + 1]
        here[lattice.aside + 1] = np.maximum(past, here[lattice.aside + 1])
        if noted:
            origin = origin.copy()
            origin[lattice.aside[better] + 1] = lattice.aside[better]
    ranked = here + lattice.worth
    furthest = np.maximum.accumulate(ranked)
    reached = furthest - lattice.leave
    if lattice.jump is not None:
        np.maximum(reached, ranked.max() - lattice.jump, out=reached)
    moved = ranked < reached
    if noted:
        best = np.maximum.accumulate(np.where(ranked >= furthest, lattice.index, 0))
        if lattice.jump is not None:
            best = np.where(reached > furthest - lattice.leave, ranked.argmax(), best)
        origin = np.where(moved, origin[best], origin)
    reached -= lattice.worth
    np.copyto(here, reached, where=moved)
    blanks[lattice.edges] = here
    return origin


def _back(kept: list[_State], step: int, heard: _Heard, lattice: _Lattice) -> Route:
    """Walk back from the end; each stretch is run again with its back-pointers noted."""
    n_frames, n = len(heard), len(lattice.labels)
    states = np.empty(n_frames, np.int64)
    passed: list[tuple[int, int]] = []  # (frame, passage) of each passage entered, last first
    state, score, last = -1, 0.0, n_frames - 1
    for at in range(len(kept) - 1, -1, -1):
        first = at * step
        scores = kept[at].copy()
        record = _Record(
            np.zeros((last - first, n + 1), np.int8),
            np.zeros((last - first, n), np.int8),
            np.zeros((last - first, len(lattice.edges)), np.int32),
        )
        _run(scores, (first, last), heard, lattice, record)
        if state < 0:
            state = 2 * n if scores.blanks[-1] >= scores.tokens[-1] else 2 * n - 1
            score = scores.offset + float(max(scores.blanks[-1], scores.tokens[-1]))
        state = _walk(state, (first, last), record, lattice, states, passed)
        last = first
    states[0] = state
    if state % 2:
        passed.append((0, int(np.searchsorted(lattice.edges, state // 2))))
    return _as_sung(states, passed, lattice, _fits(states, heard, lattice), score)


def _walk(
    state: int,
    frames: tuple[int, int],
    record: _Record,
    lattice: _Lattice,
    states: Int64,
    passed: list[tuple[int, int]],
) -> int:
    """Go back from frame `last` to frame `first`; write the states of all frames after `first`."""
    first, last = frames
    edge_of = {int(token): k for k, token in enumerate(lattice.edges)}
    for t in range(last, first, -1):
        row = t - first - 1
        if state % 2 == 0:
            edge = edge_of.get(state // 2)
            if edge is not None:
                state = 2 * int(lattice.edges[record.origins[row, edge]])
            states[t] = state
            state -= int(record.blanks[row, state // 2])
        else:
            states[t] = state
            token = state // 2
            move = int(record.tokens[row, token])
            if move and token in edge_of:
                passed.append((t, edge_of[token]))
            state -= move
    return state


def _as_sung(states: Int64, passed: list[tuple[int, int]], lattice: _Lattice, fits: Float32, score: float) -> Route:
    """Write the path down in the order in which passages are sung; `fits` is by how much each frame beats a blank."""
    own = np.zeros_like(states)
    total = np.concatenate([[0.0], np.cumsum(fits, dtype=np.float64)])
    visits: list[Visit] = []
    count = 0
    bounds = [frame for frame, _ in reversed(passed)] + [len(states)]
    for k, (frame, passage) in enumerate(reversed(passed)):
        low, high = (int(lattice.edges[passage + i]) for i in range(2))
        part = states[frame : bounds[k + 1]]
        inside = (part > 2 * low) & (part < 2 * high)
        stop = frame + int(np.count_nonzero(inside))
        own[frame : bounds[k + 1]] = np.where(inside, part - 2 * low + 2 * count, 2 * (count + high - low))
        gain = (total[stop] - total[frame]) / (high - low)
        visits.append(Visit(passage, count, (frame, stop), float(gain)))
        count += high - low
    return Route(tuple(visits), Path(own, score))


def _fits(states: Int64, heard: _Heard, lattice: _Lattice) -> Float32:
    """Return by how much the path beats a blank outside all passages, in each frame, float32 [n_frames]."""
    frames = np.arange(len(states))
    labels = lattice.labels[np.minimum(states // 2, len(lattice.labels) - 1)]
    own = np.where(states % 2 == 1, heard.log_probs[frames, labels], heard.rest[frames, lattice.kinds[states // 2]])
    return np.asarray(own - heard.rest[frames, lattice.kinds[-1]], np.float32)
