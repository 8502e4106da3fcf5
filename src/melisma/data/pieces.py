"""Where a recording is cut: pieces between pauses, or chunks of whole words; positions are samples at 16 kHz.

Every sample lies in one piece at most, and no cut goes through a word whose times are known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.data.cuts import SAMPLE_RATE
from melisma.data.levels import HOP, HOP_S, Bool, runs
from melisma.data.manifest import TimedWord

Span = tuple[int, int]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
_SMOOTH = 20  # frames (0.2 s) over which the quietest place of a long piece is looked for
_NEAR_S = 2.0  # a piece that is too short joins a neighbour no further away than this
_TIGHT_S = 0.2  # words less apart than this are heard into each other
_LONG_GAP_S = 3.0  # a pause that long belongs between two chunks rather than into one
# What a chunk's cut costs, in units of a chunk that is a whole target too short: measured on nothing, chosen so that a
# line end is worth a third of the length either way, and music between two verses two thirds.
_NOT_A_LINE_END, _NOT_A_LINE_END_BY_LINES, _IN_A_RUSH, _GAP_INSIDE, _TOO_LONG = 0.1, 1.0, 0.3, 0.5, 1000.0


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long pieces may be, in seconds, padding included.

    Parameters
    ----------
    shortest, longest : float
        What is shorter joins a neighbour if it can and is dropped if not; what is longer is cut where it is quietest.
    target : float
        Length that chunks of words come near.
    padding : float
        Added at both ends where there is room; pieces share the pause between them.
    """

    shortest: float = 1.0
    longest: float = 30.0
    target: float = 15.0
    padding: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.shortest < self.longest <= 3600 or not 0 < self.target <= self.longest:
            raise InputError("segments have 0 <= shortest < longest <= 3600 s, and a target up to the longest")
        if not 0 <= self.padding <= self.longest / 4:
            raise InputError("the padding is 0 s or more, and a quarter of the longest segment at most")


@dataclass(frozen=True, slots=True)
class Pieces:
    """Spans [first, last) in samples, in order, and those that were dropped for their length."""

    kept: list[Span]
    dropped: list[Span]


def between_pauses(
    silent: Bool, heard: Float32, n_samples: int, words: Sequence[TimedWord], min_pause_s: float, lengths: Lengths
) -> Pieces:
    """Cut at pauses.

    Parameters
    ----------
    silent : bool [n_frames]
        Whether nothing is said in each frame of 10 ms.
    heard : float32 [n_frames]
        Levels in dB, by which the quietest place of what is too long is found.
    n_samples : int
        Of the recording.
    words : sequence of TimedWord
        Those whose times are known; nothing is cut inside them, however quiet they are.
    min_pause_s : float
        Shorter silences are part of what is said.
    lengths : Lengths
        What pieces may be.
    """
    spans = _spans_of(words, n_samples)
    speech = ~silent
    for first, last in spans:
        speech[first // HOP : -(-last // HOP)] = True
    speech = _bridged(speech, max(1, round(min_pause_s / HOP_S)))
    # The edges of a word are exact, those of sound are whole frames: neither may cut into the other.
    found = [(a * HOP, min(b * HOP, n_samples)) for a, b in runs(speech)]
    pad = round(lengths.padding * SAMPLE_RATE)
    whole = [part for piece in found for part in _cut_long(piece, heard, spans, lengths)]
    joined = _join_short(whole, lengths)
    return _by_length(_padded(joined, pad, n_samples, 0), lengths)


def chunks(words: Sequence[TimedWord], line_ends: Collection[int], lengths: Lengths, *, by_lines: bool) -> list[Span]:
    """Group words into chunks near the target length, by the cheapest set of cuts (dynamic programming).

    Parameters
    ----------
    words : sequence of TimedWord
        In order of their starts; those that overlap stay together.
    line_ends : collection of int
        Indices of words that end a line, where cuts are cheap.
    lengths : Lengths
        A chunk is longer than the longest only where no cut is possible.
    by_lines : bool
        Whether lines are broken only if they are too long by themselves.

    Returns
    -------
    list of (int, int)
        First word and the one behind the last of each chunk; together all words.
    """
    if not words:
        return []
    starts = np.array([word.start for word in words])
    ends = np.maximum.accumulate(np.array([word.end for word in words]))
    last = len(words) - 1
    cuts = [i for i in range(last) if ends[i] <= starts[i + 1]] + [last]
    worse = _NOT_A_LINE_END_BY_LINES if by_lines else _NOT_A_LINE_END
    at_cut = [_cut_cost(starts[i + 1] - ends[i]) + worse * (i not in line_ends) if i < last else 0.0 for i in cuts]
    gaps = np.concatenate([[0], np.cumsum(starts[1:] - ends[:-1] > _LONG_GAP_S)])  # long ones before each word
    before = _cheapest(starts, ends, cuts, at_cut, gaps, lengths)
    found: list[Span] = []
    k = len(cuts) - 1
    while k >= 0:
        j = before[k]
        found.append((cuts[j] + 1 if j >= 0 else 0, cuts[k] + 1))
        k = j
    return found[::-1]


def _cheapest(
    starts: Float64, ends: Float64, cuts: list[int], at_cut: list[float], gaps: Int64, lengths: Lengths
) -> list[int]:
    """Return, for each place to cut, the one before it on the cheapest way there; -1 for the beginning."""
    room = lengths.longest - 2 * lengths.padding
    costs: list[float] = []
    before: list[int] = []
    for k, last in enumerate(cuts):
        best = (np.inf, -1)
        for j in range(k - 1, -2, -1):
            first = cuts[j] + 1 if j >= 0 else 0
            length = ends[last] - starts[first]
            if length > room and best[0] < np.inf:
                break
            cost = ((length - lengths.target) / lengths.target) ** 2 + _GAP_INSIDE * (gaps[last] - gaps[first])
            cost += _TOO_LONG * (length > room) + (costs[j] if j >= 0 else 0.0)
            best = min(best, (float(cost), j))
        costs.append(best[0] + at_cut[k])
        before.append(best[1])
    return before


def around(words: Sequence[TimedWord], groups: Sequence[Span], n_samples: int, lengths: Lengths) -> Pieces:
    """Return the samples of chunks of words, padded; a short one reaches further into the pauses around it."""
    spans = _spans_of(words, n_samples, merged=False)
    found = [(min(s[0] for s in spans[a:b]), max(s[1] for s in spans[a:b])) for a, b in groups]
    return _by_length(
        _padded(found, round(lengths.padding * SAMPLE_RATE), n_samples, round(lengths.shortest * SAMPLE_RATE)), lengths
    )


def _cut_cost(gap_s: float) -> float:
    return _IN_A_RUSH * max(0.0, 1.0 - gap_s / _TIGHT_S)


def _spans_of(words: Sequence[TimedWord], n_samples: int, *, merged: bool = True) -> list[Span]:
    """Return words in samples, in order of their starts; those that overlap as one, where so asked."""
    found = [(min(round(w.start * SAMPLE_RATE), n_samples), min(round(w.end * SAMPLE_RATE), n_samples)) for w in words]
    if not merged:
        return found
    out: list[Span] = []
    for first, last in sorted(found):
        if out and first < out[-1][1]:
            out[-1] = out[-1][0], max(last, out[-1][1])
        else:
            out.append((first, last))
    return out


def _bridged(speech: Bool, n_frames: int) -> Bool:
    """Fill the silences between speech that are shorter than `n_frames`."""
    filled = speech.copy()
    for first, last in runs(~speech):
        if last - first < n_frames and first > 0 and last < len(speech):
            filled[first:last] = True
    return filled


def _cut_long(piece: Span, heard: Float32, words: list[Span], lengths: Lengths) -> list[Span]:
    """Cut a piece that is too long where it is quietest, in the second half of what may be one segment."""
    longest = round((lengths.longest - 2 * lengths.padding) * SAMPLE_RATE)
    shortest = min(round(lengths.shortest * SAMPLE_RATE), longest // 4)
    if piece[1] - piece[0] <= longest:
        return [piece]
    places, loud = _places(piece, heard, words)
    out: list[Span] = []
    first, last = piece
    while last - first > longest:
        at = _quietest(places, loud, (first + longest // 2, min(first + longest, last - shortest)))
        if at is None:
            at = _quietest(places, loud, (first + shortest, first + longest))
        if at is None:  # one word after another without a gap: the first place there is
            later = places[(places > first) & (places < last)]
            if not len(later):
                break
            at = int(later[0])
        out.append((first, at))
        first = at
    return [*out, (first, last)]


def _places(piece: Span, heard: Float32, words: list[Span]) -> tuple[Int64, Float32]:
    """Return where a piece may be cut, and how loud it is there: between frames, outside words, and between words."""
    kernel = np.ones(_SMOOTH, np.float32) / _SMOOTH
    first, last = piece[0] // HOP, -(-piece[1] // HOP)
    smooth = np.convolve(np.pad(heard[first:last], _SMOOTH // 2, mode="edge"), kernel, "same")[_SMOOTH // 2 :].astype(
        np.float32
    )
    places = np.arange(first + 1, last, dtype=np.int64) * HOP
    if words:
        starts = np.array([w[0] for w in words])
        ends = np.array([w[1] for w in words])
        behind = np.searchsorted(starts, places, side="left") - 1  # the last word that begins before the place
        places = places[(behind < 0) | (places >= ends[behind])]
        middles = (ends[:-1] + starts[1:]) // 2
        inside = middles[(middles > piece[0]) & (middles < piece[1])]
        places = np.unique(np.concatenate([places, inside]))
    return places, smooth[np.clip(places // HOP - first, 0, len(smooth) - 1)]


def _quietest(places: Int64, loud: Float32, window: Span) -> int | None:
    a, b = np.searchsorted(places, window[0]), np.searchsorted(places, window[1], side="right")
    return int(places[a + np.argmin(loud[a:b])]) if a < b else None


def _join_short(found: list[Span], lengths: Lengths) -> list[Span]:
    """Join pieces that are too short to the nearer neighbour, where the two make no piece that is too long."""
    shortest, near = round(lengths.shortest * SAMPLE_RATE), round(_NEAR_S * SAMPLE_RATE)
    longest = round((lengths.longest - 2 * lengths.padding) * SAMPLE_RATE)
    out = list(found)
    i = 0
    while i < len(out):
        if out[i][1] - out[i][0] >= shortest:
            i += 1
            continue
        left = out[i][0] - out[i - 1][1] if i and out[i][1] - out[i - 1][0] <= longest else near + 1
        fits = i + 1 < len(out) and out[i + 1][1] - out[i][0] <= longest
        right = out[i + 1][0] - out[i][1] if fits else near + 1
        if min(left, right) > near:
            i += 1
        elif left <= right:
            out[i - 1 : i + 1] = [(out[i - 1][0], out[i][1])]
            i -= 1
        else:
            out[i : i + 2] = [(out[i][0], out[i + 1][1])]
    return out


def _padded(found: list[Span], pad: int, n_samples: int, shortest: int) -> list[Span]:
    """Widen pieces by the padding, or to `shortest`; a pause between two is shared in its middle."""
    out = []
    for i, (first, last) in enumerate(found):
        wanted = max(pad, -(-(shortest - (last - first)) // 2))
        low = (found[i - 1][1] + first + 1) // 2 if i else 0
        high = (last + found[i + 1][0]) // 2 if i + 1 < len(found) else n_samples
        out.append((min(first, max(low, first - wanted)), max(last, min(high, last + wanted))))
    return out


def _by_length(found: list[Span], lengths: Lengths) -> Pieces:
    kept: list[Span] = []
    dropped: list[Span] = []
    for first, last in found:
        length = (last - first) / SAMPLE_RATE
        (kept if lengths.shortest <= length <= lengths.longest and last > first else dropped).append((first, last))
    return Pieces(kept, dropped)
