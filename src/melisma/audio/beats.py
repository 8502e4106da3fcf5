"""Where a listener would tap: one tempo for the recording, and the beats that fit it and what begins to sound best.

Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36 (2007). Plain NumPy on the spectral flux
of `melisma.audio.onsets`. A library was weighed and left: librosa 0.11, the newest one for Python 3.11, brings numba,
LLVM, SciPy and scikit-learn, 520 MB, for these lines; what changes the timing of words is better read than imported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.audio.onsets import Flux
from melisma.core.records import Float32

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_STEP_S = 0.01  # of the envelope that beats are sought in
_PERIODS_S = (0.27, 1.2)  # 50 to 220 beats a minute
_LIKELY_S, _OCTAVES = 0.5, 0.9  # people tap near 120 a minute: Ellis' τ0, and the width of his weight
_TIGHTNESS = 100.0  # what leaving the tempo costs: Ellis' α
_PULSE = 0.08  # of an autocorrelation that is 1 at lag zero; noise has 0.03
_ACCENT_S = 0.05  # how far from a beat its accent may lie
_METRES = (2, 3)


@dataclass(frozen=True, slots=True)
class Beats:
    """Beats in seconds, float64 [n_beats], and which of them are strong: the first of two or of three."""

    times_s: Float64
    strong: Bools
    period_s: float  # 0 where there is no pulse


def track(flux: Flux) -> Beats:
    """Find the beats of a recording.

    Parameters
    ----------
    flux : Flux
        What begins to sound when.

    Returns
    -------
    Beats
        None where nothing comes back regularly.
    """
    nothing = Beats(np.zeros(0), np.zeros(0, bool), 0.0)
    every = max(1, round(_STEP_S * flux.timebase.sample_rate / flux.timebase.stride))
    step_s = flux.timebase.seconds(every)
    envelope = _pooled(flux.total, every)
    if len(envelope) * step_s < 4 * _PERIODS_S[0] or not envelope.any():
        return nothing
    envelope /= envelope.std()
    period = _period(envelope - envelope.mean(), step_s)
    if not period:
        return nothing
    frames = _path(envelope, period)
    strong = _strong(_pooled(flux.bass, every), frames, max(1, round(_ACCENT_S / step_s)))
    # A pooled frame stands for the middle of those that it is made of.
    times = np.asarray(frames * step_s + flux.timebase.seconds(every - 1) / 2, np.float64)
    return Beats(times, strong, period * step_s)


def _pooled(values: Float32, every: int) -> Float64:
    n = len(values) // every
    pooled: Float64 = values[: n * every].reshape(n, every).mean(axis=1, dtype=np.float64)
    return pooled


def _period(envelope: Float64, step_s: float) -> float:
    """Return the time from beat to beat in frames; 0 where nothing comes back regularly."""
    low, high = round(_PERIODS_S[0] / step_s), round(_PERIODS_S[1] / step_s)
    n = 1 << (2 * len(envelope) - 1).bit_length()
    power = np.abs(np.fft.rfft(envelope, n)) ** 2
    likeness = np.fft.irfft(power, n)[: high + 2] / max(power.mean(), 1e-30)
    likeness = np.pad(likeness, (0, max(0, high + 2 - len(likeness))))
    lags = np.arange(1, high + 2)
    weight = np.exp(-0.5 * (np.log2(lags * step_s / _LIKELY_S) / _OCTAVES) ** 2)
    weighed = np.concatenate([[0.0], likeness[1:] * weight])
    best = low + int(np.argmax(weighed[low : high + 1]))
    if likeness[best] < _PULSE:
        return 0.0
    left, top, right = likeness[best - 1 : best + 2]
    bend = left - 2 * top + right
    return best + (0.5 * float((left - right) / bend) if bend < 0 and top >= max(left, right) else 0.0)


def _path(envelope: Float64, period: float) -> npt.NDArray[np.int64]:
    """Return the frames of the beats that follow each other at about the period and lie where most begins."""
    width = max(1.0, period / 32)
    reach = np.arange(-round(3 * width), round(3 * width) + 1)
    local = np.convolve(envelope, np.exp(-0.5 * (reach / width) ** 2), "same")
    gaps = np.arange(round(2 * period), round(period / 2) - 1, -1)  # from far to near, as the scores lie in memory
    cost = -_TIGHTNESS * np.log(gaps / period) ** 2
    n, far = len(local), int(gaps[0])
    scores = np.concatenate([np.zeros(far), local])  # what comes before the recording is neither good nor bad
    back = np.full(n, -1, np.int64)
    n_gaps = len(gaps)
    for i in range(n):
        ways = scores[i : i + n_gaps] + cost
        best = int(ways.argmax())
        scores[far + i] += ways[best]
        back[i] = i - gaps[best]
    tail = scores[far + max(0, n - round(period)) :]
    at = n - len(tail) + int(tail.argmax())
    beats = []
    while at >= 0:
        beats.append(at)
        at = int(back[at])
    return np.array(beats[::-1], np.int64)


def _strong(bass: Float64, frames: npt.NDArray[np.int64], reach: int) -> Bools:
    """Tell the strong beats: every second or third, from where the bass is accented most."""
    windows = np.clip(frames[:, None] + np.arange(-reach, reach + 1), 0, len(bass) - 1)
    accents = bass[windows].max(axis=1)
    accents = (accents - accents.mean()) / max(float(accents.std()), 1e-9)
    contrasts = {
        (metre, first): accents[first::metre].mean() * np.sqrt(len(accents[first::metre]))
        for metre in _METRES
        for first in range(metre)
        if len(accents) > first
    }
    metre, first = max(contrasts, key=lambda key: float(contrasts[key]))
    return np.asarray(np.arange(len(frames)) % metre == first)
