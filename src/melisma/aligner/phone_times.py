"""When each phone of a recording sounds: its phones aligned with a model, boundaries where the sound changes.

A CTC model says in which order and about when phones are heard, as spikes; where one phone gives way to the next lies
somewhere between two spikes, and is taken to be where the spectrum changes most, or where a pause stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.aligner.viterbi import viterbi
from melisma.core.records import Float32, Int64, Tokens
from melisma.models import features

# Feature frames: a pause shorter than this is a stop's closure, and belongs to a phone.
_PAUSE = 7
# A frame is silent 35 dB under the clip's loud frames (natural log of power).
_SILENT = 35 / 10 * np.log(10)


@dataclass(frozen=True, slots=True)
class PhoneTimes:
    """Spans of phones in feature frames of 10 ms: phone k sounds in frames [start[k], stop[k]), int64 both."""

    start: Int64
    stop: Int64


# Normalised log-mels [n_frames, N_MELS] to log-probabilities [n_frames / hops, n_labels].
Hear = Callable[[Float32], Float32]


def align_phones(log_power: Float32, labels: Int64, hear: Hear, hops: int) -> PhoneTimes:
    """Align the phones of a clean clip.

    Parameters
    ----------
    log_power : float32 [n_frames, N_MELS]
        Log-mel powers.
    labels : int64 [n_phones]
        Label ids, the blank being 0.
    hear : callable
        A CTC model: normalised log-mels to log-probabilities.
    hops : int
        Feature frames per frame of the model.

    Raises
    ------
    TooFewFrames
        If the clip is too short for its phones.
    """
    log_probs = hear(features.normalise(log_power))
    tokens = Tokens(labels, np.zeros(len(labels), np.int64), np.zeros(1, np.int64))
    path = viterbi(log_probs, tokens)
    states = 2 * np.arange(len(labels)) + 1
    first = np.searchsorted(path.states, states, "left") * hops
    last = np.searchsorted(path.states, states, "right") * hops - 1  # the last feature frame of each
    return _sharpen(log_power, first.astype(np.int64), last.astype(np.int64))


def _sharpen(log_power: Float32, first: Int64, last: Int64) -> PhoneTimes:
    n = len(log_power)
    loud = np.log(np.exp(log_power).sum(axis=1))
    silent = loud < np.quantile(loud, 0.95) - _SILENT
    change = _change(log_power)
    start, stop = first.copy(), last + 1
    middle_first, middle_last = (
        (first + np.minimum(first + 2, last)) // 2,
        (last + np.maximum(last - 2, first) + 1) // 2,
    )
    for k in range(len(first) - 1):
        low, high = int(middle_last[k]) + 1, max(int(middle_first[k + 1]), int(middle_last[k]) + 1)
        gap = _pause(silent, low, high)
        if gap:
            stop[k], start[k + 1] = gap
        else:
            at = low + int(np.argmax(change[low : high + 1])) if high > low else low
            stop[k] = start[k + 1] = at
    start[0] = _onset(silent, int(middle_first[0]))
    stop[-1] = _offset(silent, int(middle_last[-1]), n)
    return PhoneTimes(start, np.maximum(stop, start))


def _change(log_power: Float32) -> Float32:
    """Return how much the spectrum differs before and after the beginning of each frame, float32 [n_frames]."""
    smooth = np.cumsum(np.pad(log_power, ((3, 2), (0, 0)), mode="edge"), axis=0, dtype=np.float64)
    pairs = smooth[2:] - smooth[:-2]  # pairs[i] sums frames i − 2 and i − 1 of the clip
    return np.asarray(np.abs(pairs[2:] - pairs[:-2]).sum(axis=1)[: len(log_power)], np.float32)


def _pause(silent: npt.NDArray[np.bool_], low: int, high: int) -> tuple[int, int] | None:
    """Return the longest silence between two phones as [begin, end), if it is long enough to be a pause."""
    edges = np.diff(np.concatenate(([0], silent[low:high].astype(np.int8), [0])))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(begins):
        return None
    longest = int(np.argmax(ends - begins))
    begin, end = low + int(begins[longest]), low + int(ends[longest])
    return (begin, end) if end - begin >= _PAUSE else None


def _onset(silent: npt.NDArray[np.bool_], at: int) -> int:
    """Go back from the first phone's spike to where sound begins, at most 150 ms."""
    for i in range(at, max(at - 15, 0), -1):
        if silent[i - 1]:
            return i
    return max(at - 5, 0)


def _offset(silent: npt.NDArray[np.bool_], at: int, n: int) -> int:
    """Go on from the last phone's spike to where sound ends, at most 400 ms."""
    for i in range(at + 1, min(at + 40, n)):
        if silent[i]:
            return i
    return min(at + 10, n)
