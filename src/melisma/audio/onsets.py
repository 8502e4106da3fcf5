"""Where something begins to sound: spectral flux, and its peaks.

Log-magnitudes in forty bands, each compared with the loudest of its neighbours a moment ago, so that a voice that
glides or trembles from band to band is no onset (Böck and Widmer, "Maximum filter vibrato suppression for onset
detection", DAFx 2013); what has grown is summed over the bands. Plain NumPy, in batches: beside the waveform, memory is
8 bytes for each 5 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32, Int64, Waveform
from melisma.core.timebase import Timebase

HOP_S = 0.005
_WINDOW_S = 0.032
_LAG = 2  # hops between the frames that are compared: 10 ms
_BANDS, _LOWEST_HZ, _HIGHEST_HZ = 40, 100.0, 7000.0
_BASS_HZ = 160.0  # below this, kick drum and bass tell the strong beats
_GAIN = 10.0  # of magnitudes, over the mean magnitude of the recording, before the logarithm
_BATCH = 2048  # frames
_PART = 1 << 20  # samples
_NEAR_S, _AROUND_S = 0.03, 0.1  # a peak is the largest so near, and stands out of the mean so far around
_ABOVE = 0.5  # standard deviations of all of the flux by which it does


@dataclass(frozen=True, slots=True)
class Flux:
    """How much begins in each hop: `total` over all bands, `bass` over the lowest, float32 [n_frames] both.

    Frame i stands for the time i · timebase.stride / timebase.sample_rate.
    """

    total: Float32
    bass: Float32
    timebase: Timebase


def flux(waveform: Waveform) -> Flux:
    """Return how much begins to sound at each moment of a recording.

    Parameters
    ----------
    waveform : Waveform
        float32 [n_samples] at 8 kHz or more; a louder recording has the same flux.

    Returns
    -------
    Flux
        Frames of 5 ms, as many as begin in the recording.
    """
    rate = waveform.sample_rate
    hop, window = max(1, round(HOP_S * rate)), max(2, round(_WINDOW_S * rate) // 2 * 2)
    n_frames = -(-len(waveform.samples) // hop)
    total, bass = np.zeros(n_frames, np.float32), np.zeros(n_frames, np.float32)
    samples = waveform.samples
    mean = _loudness(samples)
    clock = Timebase(rate, hop)
    if not mean:
        return Flux(total, bass, clock)
    bands = _bands(rate, window)
    scale = np.float32(_GAIN / (mean * np.sqrt(window)))
    hann = np.hanning(window + 1)[:-1].astype(np.float32)
    for first in range(0, n_frames, _BATCH):
        last = min(first + _BATCH, n_frames)
        low, high = first - _LAG, last  # the later frame counts: the logarithm rises as soon as a window is touched
        cut = _padded(samples, low * hop - window // 2, (high - 1) * hop + window // 2)
        frames = np.lib.stride_tricks.sliding_window_view(cut, window)[::hop] * hann
        magnitudes = np.abs(np.fft.rfft(frames)).astype(np.float32) * scale
        levels = np.log1p(magnitudes @ bands)
        before = levels[:-_LAG]
        ceiling = np.maximum(before, np.maximum(_shifted(before, 1), _shifted(before, -1)))
        total[first:last] = np.maximum(levels[_LAG:] - ceiling, 0)[:, 1:].sum(axis=1)
        bass[first:last] = np.maximum(levels[_LAG:, 0] - before[:, 0], 0)
    # Where a window reaches to before the recording, the recording itself would seem to begin.
    outside = _LAG + -(-window // (2 * hop))
    total[:outside] = bass[:outside] = 0
    return Flux(total, bass, clock)


def onsets(found: Flux) -> Int64:
    """Return the frames where the flux has a peak, int64 [n_onsets], going up."""
    total, clock = found.total, found.timebase
    near, around = (max(1, clock.ticks(seconds)) for seconds in (_NEAR_S, _AROUND_S))
    if len(total) < 2:
        return np.zeros(0, np.int64)
    padded = np.pad(total, near, constant_values=-1)
    largest = np.lib.stride_tricks.sliding_window_view(padded, 2 * near + 1).max(axis=1)
    threshold = _running_mean(total, around) + _ABOVE * float(total.std())
    peaks = np.flatnonzero((total == largest) & (total > threshold) & (total > 0))
    # Equal neighbours are one peak.
    return peaks[np.diff(peaks, prepend=-near - 1) > near].astype(np.int64)


def _loudness(samples: Float32) -> float:
    """Return the mean magnitude, without a copy of the whole recording."""
    total = 0.0
    for first in range(0, len(samples), _PART):
        total += float(np.abs(samples[first : first + _PART]).sum(dtype=np.float64))
    return total / max(1, len(samples))


def _running_mean(values: Float32, reach: int) -> npt.NDArray[np.float64]:
    """Return the mean over `reach` values on both sides; fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    at = np.arange(len(values))
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(values))
    mean: npt.NDArray[np.float64] = (sums[high] - sums[low]) / (high - low)
    return mean


def _shifted(levels: Float32, by: int) -> Float32:
    """Return the levels of the next band on one side; the last one stands for what is beyond it."""
    index = np.clip(np.arange(levels.shape[1]) + by, 1, levels.shape[1] - 1)  # the bass is nobody's neighbour
    return levels[:, index]


def _bands(rate: int, window: int) -> Float32:
    """Return weights float32 [n_bins, 1 + n_bands]: the bass, then bands evenly spaced on a logarithmic scale."""
    hertz = np.fft.rfftfreq(window, 1 / rate)
    edges = np.geomspace(_LOWEST_HZ, min(_HIGHEST_HZ, 0.45 * rate), _BANDS + 2)
    rise = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    bands = np.maximum(np.minimum(rise, fall), 0)
    # The lowest bands are narrower than a bin: each takes the nearest one.
    for band in np.flatnonzero(bands.sum(axis=0) == 0):
        bands[np.argmin(np.abs(hertz - edges[band + 1])), band] = 1
    bass = ((hertz > 0) & (hertz <= _BASS_HZ)).astype(np.float64)
    return np.concatenate([bass[:, None], bands], axis=1).astype(np.float32)


def _padded(samples: Float32, low: int, high: int) -> Float32:
    """Return samples [low, high), silence where there are none."""
    inside = samples[max(0, low) : max(0, min(high, len(samples)))]
    return np.pad(inside, (max(0, -low), high - max(0, low) - len(inside)))
