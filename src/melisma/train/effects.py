"""What a studio and a listener's file do to a voice, on samples; nothing here moves a sound in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32


@dataclass(frozen=True, slots=True)
class EffectsConfig:
    """Shares of clips that each effect is heard on."""

    equaliser: float = 0.6
    drive: float = 0.4
    reverb: float = 0.55
    lowpass: float = 0.2


def studio(samples: Float32, sample_rate: int, config: EffectsConfig, rng: np.random.Generator) -> Float32:
    """Draw effects and apply them.

    Parameters
    ----------
    samples : float32 [n_samples]
    sample_rate : int
        Hz.

    Returns
    -------
    float32 [n_samples]
        At a level of its own, which may exceed ±1.
    """
    out = samples
    if rng.random() < config.equaliser:
        out = equalise(out, sample_rate, rng.uniform(1, 6), rng)
    if rng.random() < config.drive:
        out = drive(out, rng.uniform(0.5, 3.0))
    if rng.random() < config.reverb:
        out = reverberate(out, sample_rate, rng.uniform(0.3, 2.0), rng.uniform(4, 18), rng)
    if rng.random() < config.lowpass:
        out = lowpass(out, sample_rate, rng.uniform(3400, 7500))
    return out


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


def drive(samples: Float32, amount: float) -> Float32:
    """Saturate a sound, which also evens its loudness out; 0 leaves it, 3 is a hot tube."""
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) or 1.0
    shape = amount / (3 * level)
    return np.asarray(np.tanh(samples * shape) / shape, np.float32) if amount > 0 else samples


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


def doubled(samples: Float32, other: Float32, delay: int, below_db: float) -> Float32:
    """Add a second singing of the same, `delay` samples late."""
    late = np.zeros_like(samples)
    n = max(min(len(samples) - delay, len(other)), 0)
    late[delay : delay + n] = other[:n]
    return np.asarray(samples + late * np.float32(10 ** (-below_db / 20)), np.float32)


def _frequencies(n_samples: int, sample_rate: int) -> Float32:
    return np.asarray(np.fft.rfftfreq(_size(n_samples), 1 / sample_rate), np.float32)


def _size(n_samples: int) -> int:
    return 1 << (n_samples + 1024).bit_length()


def _filtered(samples: Float32, gain: npt.NDArray[np.floating]) -> Float32:
    size = _size(len(samples))
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * gain, size)[: len(samples)], np.float32)
