"""What rooms, studios, telephones and listeners' files do to a sound, on samples; nothing here moves it in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32

_SPEECH_DB = 30.0  # below the loudest frame, within which a frame counts as speech
_FRAME_S = 0.025  # in which levels are measured
_EDGE_S = 0.005  # over which a hole opens and closes, so that it does not click


def equalise(samples: Float32, sample_rate: int, depth_db: float, rng: np.random.Generator) -> Float32:
    """Colour a sound by a smooth random curve over octaves, without shifting phases."""
    octave = np.log2(np.maximum(_frequencies(len(samples), sample_rate), 40.0) / 40.0)
    knots = rng.normal(0, depth_db / 2, 10)
    gain_db = np.clip(np.interp(octave, np.arange(10), knots), -2 * depth_db, 2 * depth_db)
    return _filtered(samples, np.asarray(10 ** (gain_db / 20), np.float64))


def lowpass(samples: Float32, sample_rate: int, edge_hz: float) -> Float32:
    """Take away what a codec of low bit rate takes away: everything above an edge, 24 dB within 10 %."""
    above = np.maximum(_frequencies(len(samples), sample_rate) / edge_hz - 1, 0)
    return _filtered(samples, 10 ** (-np.minimum(above * 240, 80) / 20))


def band(samples: Float32, sample_rate: int, low_hz: float, high_hz: float) -> Float32:
    """Keep a band, as a telephone or a small loudspeaker does: 24 dB are gone 10 % above it, and 40 % below it."""
    hz = _frequencies(len(samples), sample_rate)
    above = np.maximum(hz / high_hz - 1, 0) * 240
    below = np.maximum(np.log2(low_hz / np.maximum(hz, 1.0)), 0) * 48
    return _filtered(samples, 10 ** (-np.minimum(above + below, 80) / 20))


def drive(samples: Float32, amount: float) -> Float32:
    """Saturate a sound, which also evens its loudness out; 0 leaves it, 3 is a hot tube."""
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) or 1.0
    shape = amount / (3 * level)
    return np.asarray(np.tanh(samples * shape) / shape, np.float32) if amount > 0 else samples


def clip(samples: Float32, above_db: float) -> Float32:
    """Cut off what is less than `above_db` below the peak, as a recorder that is set too high does."""
    peak = float(np.abs(samples).max(initial=0.0)) * 10 ** (-above_db / 20)
    return np.clip(samples, -peak, peak)


def reverberate(
    samples: Float32, sample_rate: int, rt60_s: float, below_db: float, rng: np.random.Generator
) -> Float32:
    """Add a room: noise that fades by 60 dB in `rt60_s` and begins 5 to 40 ms after the sound, `below_db` softer."""
    n = int(min(rt60_s, 2.5) * sample_rate)
    since = np.arange(n) / sample_rate
    tail = rng.normal(0, 1, n) * 10 ** (-3 * since / rt60_s)
    tail = np.convolve(tail, [0.5, 0.35, 0.15])[:n]  # rooms swallow the high tones
    delay = int(rng.uniform(0.005, 0.04) * sample_rate)
    tail = np.concatenate([np.zeros(delay), tail / np.sqrt(np.sum(tail**2))])
    size = 1 << (len(samples) + len(tail)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    return np.asarray(samples + wet * 10 ** (-below_db / 20), np.float32)


def respond(samples: Float32, response: Float32) -> Float32:
    """Play a sound in a room by its impulse response, in the same place in time and about as loud as before.

    Parameters
    ----------
    samples : float32 [n_samples]
    response : float32 [n]
        At the same rate; its largest value is the direct sound, and what comes before that is left out.

    Returns
    -------
    float32 [n_samples]
    """
    kept = response[int(np.abs(response).argmax()) :].astype(np.float64)
    energy = float(np.sum(kept**2))
    if not energy:
        return samples
    size = 1 << (len(samples) + len(kept)).bit_length()
    heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(kept / np.sqrt(energy), size), size)
    return np.asarray(heard[: len(samples)] * np.sign(kept[0]), np.float32)


def drop_out(samples: Float32, sample_rate: int, lengths_s: Sequence[float], rng: np.random.Generator) -> Float32:
    """Silence stretches of so many seconds at random places, as lost packets and bad cables do."""
    gain = np.ones(len(samples), np.float32)
    ramp = max(1, round(_EDGE_S * sample_rate))
    for length_s in lengths_s:
        n = min(max(round(length_s * sample_rate), 2 * ramp), len(samples))
        hole = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / ramp)
        start = int(rng.integers(len(samples) - n + 1))
        gain[start : start + n] = np.minimum(gain[start : start + n], 1 - hole)
    return samples * gain


def coloured_noise(n: int, exponent: float, rng: np.random.Generator) -> Float32:
    """Draw noise whose power falls with frequency as f^-exponent: 0 is white, 1 pink, 2 brown; float32 [n], RMS 1."""
    if not n:
        return np.zeros(0, np.float32)
    size = max(1024, 1 << (n - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(size, np.float32))
    bins = np.arange(len(spectrum))
    # Flat below a 500th of the band (16 Hz at 16 kHz), or brown noise would be one slow swing.
    spectrum *= np.maximum(bins, max(1.0, len(spectrum) / 500)).astype(np.float32) ** (-exponent / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, size)[:n]
    return np.asarray(noise / max(float(np.sqrt(np.mean(noise**2))), 1e-12), np.float32)


def speech_power(samples: Float32, sample_rate: int) -> float:
    """Return the mean power of the 25 ms frames within 30 dB of the loudest one, so that pauses do not count."""
    n = max(1, round(_FRAME_S * sample_rate))
    if len(samples) < n:
        return float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    frames = np.mean(np.square(samples[: len(samples) // n * n].reshape(-1, n), dtype=np.float64), axis=1)
    return float(frames[frames >= frames.max() * 10 ** (-_SPEECH_DB / 10)].mean())


def _frequencies(n_samples: int, sample_rate: int) -> Float32:
    return np.asarray(np.fft.rfftfreq(_size(n_samples), 1 / sample_rate), np.float32)


def _size(n_samples: int) -> int:
    return 1 << (n_samples + 1024).bit_length()


def _filtered(samples: Float32, gain: npt.NDArray[np.floating]) -> Float32:
    size = _size(len(samples))
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * gain, size)[: len(samples)], np.float32)
