"""Where a song's annotation lies in a recording that was found for it: rate, offset, cuts; or that it is another song.

The annotation was made for one version of the recording. Another upload has silence or a video's noise in front, runs a
little faster, or leaves a verse out. DALI's authors slide the annotated voice over the voice that a network hears,
and keep the frame rate and offset at which the two correlate best (NCC; ISMIR 2018). Voice alone says little where a
song is sung all the way through, so here every phone of every word is slid over what the embedded phone model hears: at
the right place the words are there, at any other they are not, and another song has no right place.

Search goes from coarse to fine. All rates and offsets at once, by correlation over frames of 60 ms; then line by line
at the best rates, where a line may lie elsewhere than the one before (a cut) or nowhere; then rate and offset of what
lies together, to a few hundredths of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.errors import InputError
from melisma.core.records import Emission, Float32, Int64
from melisma.data.dali.evidence import Expected, Float64, correlate, evidence, line_curves, usual

Bools = npt.NDArray[np.bool_]

_COARSE_S, _COARSE_REACH_S = 0.06, 0.24
_FINE_REACH_S = 0.03
LONGEST_S, MOST_LINES = 1800.0, 400  # of recordings and annotations: what the search takes grows with both
_RATES = 4  # at which lines are followed, to begin with
_SKIPPED = 24  # lines that may be left out at once
# Of each pass: how far a phone is heard, how far the rate may move and in which steps, how far the offset and in which.
_REFINEMENTS = (
    (0.12, 0.012, 0.0006, 0.3, 0.03),
    (_FINE_REACH_S, 0.0012, 0.0001, 0.06, 0.01),
    (_FINE_REACH_S, 0.0001, 0.00002, 0.01, 0.0025),
)


@dataclass(frozen=True, slots=True)
class MatchConfig:
    """How far the search goes, and what it accepts.

    Parameters
    ----------
    max_rate : float
        How much slower or faster than annotated, as a share.
    rate_step : float
        Between two rates of the first search; half of it at the end of a song is 0.2 s, less than `_COARSE_REACH_S`.
    cut_cost : float
        Evidence that another offset from a line on has to bring, in nats: a line of twenty phones hears as much of
        itself where it is not, somewhere in four minutes.
    absent : float
        How much better than usual the phones of a line are heard if it is there, at least, in nats a phone.
    min_score, min_found, min_evidence : float
        Below any of them it is another song; see `Match`. How they were chosen: docs/dali.md.
    """

    max_rate: float = 0.06
    rate_step: float = 0.002
    cut_cost: float = 25.0
    absent: float = 0.3
    min_score: float = 0.19
    min_found: float = 0.4
    min_evidence: float = 60.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines [first, stop) that lie at one offset: what the annotation has at t is heard at rate * t + offset_s."""

    first: int
    stop: int
    offset_s: float


@dataclass(frozen=True, slots=True)
class Match:
    """Where a song lies in a recording.

    Parameters
    ----------
    rate : float
        Seconds of the recording per second of the annotation.
    pieces : tuple of Piece
        One, unless the recording is cut otherwise.
    present : tuple of bool
        Of each line, whether it is heard where its piece has it; lines outside of all pieces are not.
    score : float
        How much better than by chance the song's phones are heard where they should be, in nats a phone: what lines
        that are there bring beyond `MatchConfig.absent`, less the price of cuts, over all phones of the song.
    found : float
        Share of the song's phones in lines that are there.
    evidence : float
        The score times the number of phones: a few words are heard anywhere.
    """

    rate: float
    pieces: tuple[Piece, ...]
    present: tuple[bool, ...]
    score: float
    found: float
    evidence: float

    def accepted(self, config: MatchConfig) -> bool:
        """Say whether this is the song."""
        enough = self.evidence >= config.min_evidence
        return enough and self.score >= config.min_score and self.found >= config.min_found


def find(song: Expected, emission: Emission, config: MatchConfig) -> Match | None:
    """Find where a song lies in what is heard; None if there is nothing to look for, or to look at.

    Parameters
    ----------
    song : Expected
    emission : Emission
        Of the recording.
    config : MatchConfig

    Raises
    ------
    InputError
        If the song is longer than any, or has more lines.
    """
    if len(song.times) and (song.times.max() > LONGEST_S or len(song.spans) > MOST_LINES):
        raise InputError(f"the annotation is longer than {LONGEST_S / 60:.0f} minutes, or than {MOST_LINES} lines")
    frame_s = emission.timebase.stride / emission.timebase.sample_rate
    step = max(1, round(_COARSE_S / frame_s))
    if not len(song.times) or len(emission.log_probs) < 2 * step:
        return None
    heard = evidence(emission, _COARSE_REACH_S, step)
    floor = usual(heard, emission.vocal, step) + np.float32(config.absent)
    n = round(config.max_rate / config.rate_step)
    rates = np.asarray(1 + config.rate_step * np.arange(-n, n + 1), np.float64)
    curves, origin = correlate(song, heard, step * frame_s, rates)

    def way(place: int) -> _Way:
        each = float(rates[place])
        by_line = line_curves(song, heard, step * frame_s, each, origin, curves.shape[1])
        return _Way(each, *follow(song, by_line, floor, each / (step * frame_s), config))

    found = _climb(way, _peaks(curves.max(axis=1)), len(rates))
    rate, offsets, present = found.rate, found.path, found.present
    if not present.any():
        return Match(rate, (), tuple(map(bool, present)), 0.0, 0.0, 0.0)
    groups = grouped(offsets, present, np.asarray((offsets - origin) * step * frame_s, np.float64))
    rate, pieces = refined(song, emission, rate, groups, present)
    counts = np.bincount(song.lines, minlength=len(song.spans))
    share = int(counts[present].sum()) / len(song.times)
    return Match(rate, pieces, tuple(map(bool, present)), found.gain / len(song.times), share, found.gain)


@dataclass(frozen=True, slots=True)
class _Way:
    """What `follow` found at a rate."""

    rate: float
    path: Int64
    present: Bools
    gain: float


def _peaks(heights: Float32) -> list[int]:
    """Return the places of the highest rates that are no neighbours, and of the annotation's own."""
    chosen = [len(heights) // 2]
    for place in np.argsort(-heights):
        if len(chosen) == _RATES:
            break
        if all(abs(int(place) - other) > 2 for other in chosen):
            chosen.append(int(place))
    return chosen


def _climb(way: Callable[[int], _Way], starts: list[int], n: int) -> _Way:
    """Return the best way at the starting places, or beside it while that gets better: a cut hides the right rate."""
    tried = {place: way(place) for place in starts}
    while True:
        best = max(tried, key=lambda place: tried[place].gain)
        beside = [place for place in (best - 1, best + 1) if 0 <= place < n and place not in tried]
        if not beside:
            return tried[best]
        tried |= {place: way(place) for place in beside}


def follow(
    song: Expected, by_line: Float32, floor: Float32, bins_per_s: float, config: MatchConfig
) -> tuple[Int64, Bools, float]:
    """Find which lines are there and at which offsets (Viterbi).

    A line lies at the offset of the last line that is there, or for a price at another one where it is heard later than
    that line. A line that is not there brings `config.absent` for each of its phones.

    Returns
    -------
    int64 [n_lines], bool [n_lines]
        Index of each line's offset, and whether it is there.
    float
        Evidence beyond what no line would bring, after the price of all cuts, in nats.
    """
    n_lines, n_offsets = by_line.shape
    by_absence = np.bincount(song.lines, weights=floor[song.labels], minlength=n_lines)
    floors = np.concatenate([[0.0], np.cumsum(by_absence)])
    total = np.empty((n_lines, n_offsets), np.float32)  # of the best way whose last line that is there is this one
    before = np.full((n_lines, n_offsets), -1, np.int32)  # the line and the offset before, as one number
    ways: list[tuple[Float32, Int64, Float32, Int64]] = []
    for i in range(n_lines):
        best = np.full(n_offsets, floors[i], np.float32)
        for k in range(max(0, i - _SKIPPED), i):
            stay, stay_from, highest, highest_from = ways[k]
            # A line begins no earlier than the one in front of it ends.
            room = max(0, round((song.spans[i][0] - song.spans[k][1]) * bins_per_s))
            reach = np.minimum(np.arange(n_offsets) + room, n_offsets - 1)
            jump = highest[reach] - config.cut_cost
            cut = jump > stay
            found = np.where(cut, jump, stay) + np.float32(floors[i] - floors[k + 1])
            better = found > best
            best[better] = found[better]
            source = np.where(cut, highest_from[reach], stay_from)
            before[i, better] = k * n_offsets + source[better]
        total[i] = best + by_line[i]
        ways.append(_ways_on(total[i]))
    ends = total.max(axis=1) + (floors[-1] - floors[1:])
    present = np.zeros(n_lines, np.bool_)
    path = np.zeros(n_lines, np.int64)
    i = int(ends.argmax())
    at = int(total[i].argmax()) if ends[i] > floors[-1] else -1
    while at >= 0:
        present[i], path[i] = True, at
        link = int(before[i, at])
        i, at = divmod(link, n_offsets) if link >= 0 else (i, -1)
    return path, present, max(0.0, float(ends.max() - floors[-1]))


def _ways_on(total: Float32) -> tuple[Float32, Int64, Float32, Int64]:
    """Return the best ways on: from each offset or, where the rate is a little off, beside it; from any before it."""
    places = np.arange(len(total))
    stay, source = total.copy(), places.copy()
    for by in (-1, 1):
        shifted = np.roll(total, by)
        shifted[0 if by > 0 else -1] = -np.inf
        better = shifted > stay
        stay[better], source[better] = shifted[better], places[better] - by
    highest = np.maximum.accumulate(total)
    return stay, source, highest, np.maximum.accumulate(np.where(total == highest, places, 0))


def grouped(path: Int64, present: Bools, offsets_s: Float64) -> list[tuple[int, int, float]]:
    """Return runs of lines [first, stop) that lie together, with their offset in seconds; absent lines split none."""
    groups: list[tuple[int, int, list[float]]] = []
    for i in np.flatnonzero(present):
        if groups and abs(int(path[i]) - int(path[groups[-1][1] - 1])) <= 1 + (i - groups[-1][1]):
            groups[-1] = groups[-1][0], int(i) + 1, [*groups[-1][2], float(offsets_s[i])]
        else:
            groups.append((int(i), int(i) + 1, [float(offsets_s[i])]))
    return [(first, stop, float(np.median(found))) for first, stop, found in groups]


def refined(
    song: Expected,
    emission: Emission,
    rate: float,
    groups: list[tuple[int, int, float]],
    present: Bools,
) -> tuple[float, tuple[Piece, ...]]:
    """Set one rate, and the offset of each group, to where the phones are heard best."""
    frame_s = emission.timebase.stride / emission.timebase.sample_rate
    parts = []
    for first, stop, offset_s in groups:
        chosen = (song.lines >= first) & (song.lines < stop) & present[song.lines]
        times = song.times[chosen]
        centre = float(times.mean())
        parts.append((song.labels[chosen], times - centre, centre, rate * centre + offset_s))
    for near_s, rate_reach, rate_step, reach_s, step_s in _REFINEMENTS:
        heard = evidence(emission, near_s)
        rates, shifts = _around(rate, rate_reach, rate_step), _around(0.0, reach_s, step_s)
        found = np.stack([_grid(heard, frame_s, part, rates, shifts) for part in parts])  # [part, rate, shift]
        best = int(found.max(axis=2).sum(axis=0).argmax())
        rate = float(rates[best])
        parts = [
            (labels, times, centre, at + float(shifts[int(found[k, best].argmax())]))
            for k, (labels, times, centre, at) in enumerate(parts)
        ]
    pieces = tuple(
        Piece(first, stop, at - rate * centre)
        for (first, stop, _), (_, _, centre, at) in zip(groups, parts, strict=True)
    )
    return rate, pieces


def _around(middle: float, reach: float, step: float) -> Float64:
    n = round(reach / step)
    return np.asarray(middle + step * np.arange(-n, n + 1), np.float64)


def _grid(
    heard: Float32, frame_s: float, part: tuple[Int64, Float64, float, float], rates: Float64, shifts: Float64
) -> Float64:
    """Return the evidence of a part at every rate and shift, float64 [n_rates, n_shifts], interpolated."""
    labels, times, _, at = part
    out = np.empty((len(rates), len(shifts)))
    last = len(heard) - 1
    for i, rate in enumerate(rates):
        places = (rate * times + at)[:, None] + shifts[None, :]
        exact = places / frame_s - 0.5  # a frame is heard at its middle
        low = np.floor(exact).astype(np.int64)
        share = exact - low
        inside = (low >= 0) & (low < last)
        low = np.clip(low, 0, max(0, last - 1))
        columns = labels[:, None]
        value = (1 - share) * heard[low, columns] + share * heard[low + 1, columns]
        out[i] = np.where(inside, value, 0.0).sum(axis=0)
    return out
