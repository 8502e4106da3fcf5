"""How likely words begin where the best path puts them: all paths weighed against each other, a stretch at a time.

The best path says nothing of the second best. So the scores of all paths are added up (the forward–backward sums of
CTC), and the share of those by which a word begins within a tolerance of where the best path begins it is that word's
posterior. Networks are surer than they should be, and neighbouring frames are hardly independent, so log scores are
multiplied by a sharpness below one first.

All paths of a whole song are too many. Stretches of a few seconds are weighed, each with a margin on either side and
held to the best path at both of its ends, all stretches at once: a word that may have been put a line too far is
doubted, one that stands in the wrong verse is not. Sums are float64 and scaled every few frames; what is 100 orders of
magnitude less likely than the likeliest is dropped.

References
----------
Graves et al., ICML 2006, section 4.1, for the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.aligner.search import SearchConfig, pauses
from melisma.aligner.viterbi import Path, blank_kinds, rest_scores
from melisma.core.records import Emission, Float32, Int64, Tokens

Float64 = npt.NDArray[np.float64]

# 0.5 and 0.6 told right from wrong better than 0.15, 0.3, 0.75 and 1 on made-up songs (`benchmarks/confidence.py`).
_SHARPNESS = 0.5
# Seconds of a stretch that are looked at, and of the margins beside it: a path may be wrong by the length of a line.
_CORE_S, _MARGIN_S = 6.0, 3.0
# No frame speaks louder against a label than this, in nats: a single one may be wrong.
_FLOOR = -14.0
_SCALE_EVERY, _LEAST = 8, 1e-100
_AT_ONCE = 32  # stretches, so that an hour takes no more memory than some minutes


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Stretches of equal length, each with the part of the text that its paths can cross.

    A stretch spans frames [first, first + n_frames); its tokens and the blanks before them begin at token `low`.
    """

    first: Int64  # [n]
    low: Int64  # [n]
    begin: Int64  # [n], the state that all paths come from, counted from the blank before token `low`
    end: Int64  # [n], the state that all paths lead to
    labels: Int64  # [n, width], one past the last label beyond the part
    kinds: Int64  # [n, width], what kind of blank stands before each token, one past the last kind beyond the part
    skips: Float64  # [n, width], 1 where that blank may be left out
    n_frames: int


@dataclass(frozen=True, slots=True)
class Starts:
    """What all paths say of where words begin, float32 [n] both.

    `near` is how likely a word begins near where the path begins it, in [0, 1]; `spread_s` by how many seconds the
    paths begin it elsewhere, in the mean. It is nine seconds at most, for the paths of a stretch meet at its ends.
    """

    near: Float32
    spread_s: Float32


def starts(path: Path, emission: Emission, tokens: Tokens, within_s: float) -> Starts:
    """Weigh where each word that owns tokens begins against where else it may.

    Parameters
    ----------
    path : Path
        Through the emission, spelling the tokens.
    emission, tokens
        As they were searched.
    within_s : float
        How near, in seconds, rounded to whole frames.
    """
    begins = np.unique(tokens.word, return_index=True)[1].astype(np.int64)
    found = np.searchsorted(path.states, 2 * begins + 1).astype(np.int64)
    fits, rests = _scores(emission)
    absent = (fits.shape[1] - 1, rests.shape[1] - 1)
    core, margin = (max(1, emission.timebase.ticks(seconds)) for seconds in (_CORE_S, _MARGIN_S))
    length = min(len(path.states), core + 2 * margin)
    first = np.clip(np.arange(0, len(path.states), core) - margin, 0, len(path.states) - length)
    own = found // core
    reach = emission.timebase.ticks(within_s)
    near, spread = np.zeros(len(begins), np.float32), np.zeros(len(begins), np.float32)
    for at in range(0, len(first), _AT_ONCE):
        some = _stretches(path, tokens, first[at : at + _AT_ONCE], length, absent)
        mine = np.flatnonzero((own >= at) & (own < at + _AT_ONCE))
        begun = _begun(some, _sums(some, fits, rests), own[mine] - at, begins[mine])
        near[mine], spread[mine] = _near(begun, found[mine] - some.first[own[mine] - at], reach)
    return Starts(np.clip(near, 0, 1), spread * np.float32(emission.timebase.seconds(1)))


def _scores(emission: Emission) -> tuple[Float32, Float32]:
    """Return likelihoods of labels and of kinds of blanks against the best of each frame, and 0 for what is not there.

    Both are float32, [n_frames, n_labels + 1] and [n_frames, n_kinds + 1].
    """
    rest = rest_scores(emission.log_probs, emission.blank, None, pauses(emission, SearchConfig()))
    best = np.maximum(emission.log_probs.max(axis=1), rest.max(axis=1))[:, None]
    likely = (np.exp(_SHARPNESS * np.maximum(scores - best, _FLOOR)) for scores in (emission.log_probs, rest))
    fits, rests = (np.pad(each.astype(np.float32), ((0, 0), (0, 1))) for each in likely)
    return fits, rests


def _stretches(path: Path, tokens: Tokens, first: Int64, length: int, absent: tuple[int, int]) -> _Stretches:
    """Find what the paths of each stretch can cross; `absent` are the columns of what is not there."""
    ids, kinds = tokens.ids, blank_kinds(tokens)
    begin, end = path.states[first], path.states[first + length - 1]
    low, high = begin // 2, end // 2
    index = low[:, None] + np.arange(int((high - low).max()) + 1)
    inside = index <= high[:, None]
    sounding = inside & (index < len(ids))
    index = np.minimum(index, len(ids))
    own, before = ids[np.minimum(index, len(ids) - 1)], ids[np.maximum(index - 1, 0)]
    skips = sounding & (own != before)
    skips[:, 0] = False
    return _Stretches(
        first,
        low,
        begin - 2 * low,
        end - 2 * low,
        np.where(sounding, own, absent[0]),
        np.where(inside, kinds[index], absent[1]),
        skips.astype(np.float64),
        length,
    )


def _sums(some: _Stretches, fits: Float32, rests: Float32) -> tuple[Float32, Float32]:
    """Add up the scores of all paths up to each state, and from each state on, in units of each frame's own.

    Both are float32 [n_frames, 2, n_stretches, width], blanks before tokens.
    """
    n, width = some.labels.shape
    spans = [slice(at, at + some.n_frames) for at in some.first]
    fit = np.stack([fits[span].take(labels, axis=1) for span, labels in zip(spans, some.labels, strict=True)], axis=1)
    rest = np.stack([rests[span].take(kinds, axis=1) for span, kinds in zip(spans, some.kinds, strict=True)], axis=1)
    up_to = np.zeros((some.n_frames, 2, n, width), np.float32)
    onward = np.zeros_like(up_to)
    blanks, tokens = up_to[0] = _only(some.begin, width)
    leap = some.skips[:, 1:]
    for t in range(1, some.n_frames):
        entered = tokens + blanks
        entered[:, 1:] += leap * tokens[:, :-1]
        blanks[:, 1:] += tokens[:, :-1]
        blanks, tokens = _scaled(blanks * rest[t], entered * fit[t], t)
        up_to[t] = blanks, tokens
    blanks, tokens = onward[-1] = _only(some.end, width)
    for t in range(some.n_frames - 1, 0, -1):
        blanks, tokens = blanks * rest[t], tokens * fit[t]
        left = tokens.copy()
        left[:, :-1] += blanks[:, 1:] + leap * tokens[:, 1:]
        blanks, tokens = _scaled(blanks + tokens, left, t)
        onward[t - 1] = blanks, tokens
    return up_to, onward


def _only(states: Int64, width: int) -> Float64:
    """Return 1 for one state of each stretch and 0 for all others, float64 [2, n_stretches, width]."""
    out = np.zeros((2, len(states), width))
    out[states % 2, np.arange(len(states)), states // 2] = 1
    return out


def _scaled(blanks: Float64, tokens: Float64, t: int) -> tuple[Float64, Float64]:
    """Bring the likeliest state of each stretch to 1, every few frames."""
    if t % _SCALE_EVERY == 0:
        top = np.maximum(blanks.max(axis=1), tokens.max(axis=1))[:, None]
        for each in (blanks, tokens):
            each /= np.where(top > 0, top, 1)
            each[each < _LEAST] = 0
    return blanks, tokens


def _begun(some: _Stretches, sums: tuple[Float32, Float32], stretch: Int64, token: Int64) -> Float32:
    """Return how likely tokens, each in its stretch, have begun by each frame of it, float32 [n, n_frames]."""
    place = token - some.low[stretch]
    out = np.zeros((len(token), some.n_frames), np.float32)
    for t in range(some.n_frames):
        blanks, tokens = (sums[0][t, kind].astype(np.float64) * sums[1][t, kind] for kind in range(2))
        since = np.cumsum((blanks + tokens)[:, ::-1], axis=1)[:, ::-1]
        total = since[:, 0]
        begun = since[stretch, place] - blanks[stretch, place]
        out[:, t] = begun / np.where(total > 0, total, 1)[stretch]
    return out


def _near(begun: Float32, frame: Int64, reach: int) -> tuple[Float32, Float32]:
    """Return how likely tokens begin within `reach` frames of given ones, and how far from them in the mean.

    `begun` is float32 [n, n_frames]; both results are float32 [n], the second in frames.
    """
    rows, n_frames = np.arange(len(frame)), begun.shape[1]
    earlier = np.where(frame > reach, begun[rows, np.maximum(frame - reach - 1, 0)], 0)
    near = begun[rows, np.minimum(frame + reach, n_frames - 1)] - earlier
    late = np.arange(n_frames) >= frame[:, None]
    return near, np.where(late, 1 - begun, begun).sum(axis=1)
