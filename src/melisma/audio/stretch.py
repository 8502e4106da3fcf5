"""Slower, faster, higher, lower: samples at another speed, tempo or pitch.

References
----------
Verhelst and Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for high quality time-scale
modification of speech", ICASSP 1993.
"""

from __future__ import annotations

import numpy as np
import soxr

from melisma.audio.resample import QUALITY
from melisma.core.records import Float32

_FRAME_S = 0.032  # two periods of the lowest voices, as short as that: consonants are smeared by longer ones
_SEARCH_S = 0.008  # to both sides, together the period of a voice at 63 Hz


def speed(samples: Float32, sample_rate: int, factor: float) -> Float32:
    """Play a sound `factor` times as fast, its pitch with it.

    Parameters
    ----------
    samples : float32 [n_samples]
    sample_rate : int
        Hz, of what comes and of what goes.
    factor : float
        Above 1 is shorter and higher.

    Returns
    -------
    float32 [round(n_samples / factor)]
    """
    n = round(len(samples) / factor)
    if not n or factor == 1:
        return samples[:n]
    return _exactly(soxr.resample(samples, sample_rate * factor, sample_rate, QUALITY), n)


def tempo(samples: Float32, sample_rate: int, factor: float) -> Float32:
    """Play a sound `factor` times as fast at the same pitch; places in it are off by up to 20 ms.

    Parameters and result are those of `speed`.
    """
    n = round(len(samples) / factor)
    if not n or factor == 1:
        return samples[:n]
    hop = max(1, round(_FRAME_S * sample_rate / 2))
    search = max(1, round(_SEARCH_S * sample_rate))
    pad = 2 * hop + search
    padded = np.concatenate([np.zeros(pad, np.float32), samples, np.zeros(pad + 2 * hop, np.float32)])
    # Frame k is laid down at (k − 1) · hop, so that the first sample lies under two windows like all others.
    wanted = np.round((np.arange(n // hop + 2) - 1) * hop * factor).astype(np.int64) + pad
    places = _alike(padded, np.clip(wanted, search, len(padded) - 2 * hop - search), hop, search)
    frames = padded[places[:, None] + np.arange(2 * hop)]
    frames *= (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))).astype(np.float32)
    out: Float32 = (frames[1:, :hop] + frames[:-1, hop:]).reshape(-1)[:n]
    return out


def _alike(padded: Float32, wanted: np.ndarray, hop: int, search: int) -> np.ndarray:
    """Return for each frame the place near the wanted one that goes on best from the frame before it."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(padded, dtype=np.float64))])
    near = 1 - 1e-3 * np.abs(np.arange(-search, search + 1)) / search  # of equals the nearest
    places = np.empty_like(wanted)
    places[0] = wanted[0]
    for k in range(1, len(wanted)):
        follows = places[k - 1] + hop
        low = wanted[k] - search
        match = np.correlate(padded[low : low + hop + 2 * search], padded[follows : follows + hop], "valid")
        power = energy[low + hop : low + hop + 2 * search + 1] - energy[low : low + 2 * search + 1]
        score = match / np.sqrt(np.maximum(power, 1e-9))
        best = int((score * near).argmax())
        places[k] = low + best if score[best] > 0 else wanted[k]
    return places


def pitch(samples: Float32, sample_rate: int, cents: float) -> Float32:
    """Raise (or lower) a sound by hundredths of a semitone, at its length; formants move with it.

    Returns
    -------
    float32 [n_samples]
    """
    if not cents or not len(samples):
        return samples
    factor = 2 ** (cents / 1200)
    longer = tempo(samples, sample_rate, 1 / factor)
    return _exactly(soxr.resample(longer, sample_rate * factor, sample_rate, QUALITY), len(samples))


def _exactly(samples: Float32, n: int) -> Float32:
    """Return n samples; a resampler may be one off."""
    return samples[:n] if len(samples) >= n else np.pad(samples, (0, n - len(samples)))
