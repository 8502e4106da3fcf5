"""Single notes and strokes of the band, pure NumPy: float32 [n_samples] or [n_samples, 2], full scale about ±1."""

from __future__ import annotations

import numpy as np

from melisma.core.records import Float32
from melisma.synth.speech import SAMPLE_RATE

_NYQUIST_MARGIN = 0.45 * SAMPLE_RATE  # Hz; harmonics above it are left out


def hertz(midi: float) -> float:
    """Frequency of a MIDI note, A4 = 69 = 440 Hz."""
    return float(440.0 * 2.0 ** ((midi - 69) / 12))


def _clock(n: int) -> np.ndarray:
    return np.arange(n) / SAMPLE_RATE


def _damped(n: int, fade_s: float = 0.01) -> np.ndarray:
    """Gain that is 1 and falls to 0 over the last moments, so that a note cut short does not click."""
    fade = min(n, round(fade_s * SAMPLE_RATE))
    gain = np.ones(n)
    if fade:
        gain[n - fade :] = np.linspace(1, 0, fade)
    return gain


def pluck(midi: float, n: int) -> Float32:
    """Return a plucked string: high harmonics die first."""
    t, f0 = _clock(n), hertz(midi)
    out = np.zeros(n)
    for h in range(1, 8):
        if h * f0 < _NYQUIST_MARGIN:
            out += np.sin(2 * np.pi * h * f0 * t) * np.exp(-t * (2.5 + 1.6 * h)) / h**1.2
    return np.asarray(0.6 * out * _damped(n), np.float32)


def bass(midi: float, n: int) -> Float32:
    """Return a round bass note."""
    t, f0 = _clock(n), hertz(midi)
    tone = np.sin(2 * np.pi * f0 * t) + 0.5 * np.sin(4 * np.pi * f0 * t) + 0.2 * np.sin(6 * np.pi * f0 * t)
    return np.asarray(0.6 * tone * np.exp(-1.5 * t) * np.minimum(1, t / 0.005) * _damped(n, 0.03), np.float32)


def pad(midi: float, n: int, spread_cents: float = 6.0) -> Float32:
    """Return a soft held tone, stereo: its sides are detuned against each other, so that it lies beside the centre."""
    t = _clock(n)
    swell = np.minimum(1, t / 0.08) * _damped(n, 0.08)
    sides = []
    for side in (-1, 1):
        f0 = hertz(midi + side * spread_cents / 100)
        tone = sum(np.sin(2 * np.pi * h * f0 * t + side * h) / h**1.8 for h in range(1, 6))
        sides.append(0.35 * tone * swell)
    return np.asarray(np.stack(sides, axis=1), np.float32)


def power_chord(midi: float, n: int) -> Float32:
    """Return a root and its fifth on a distorted guitar."""
    t = _clock(n)
    string = np.zeros(n)
    for f0 in (hertz(midi), hertz(midi + 7)):
        string += sum(np.sin(2 * np.pi * h * f0 * t) / h for h in range(1, 9))
    tone = np.tanh(3 * string * np.exp(-2.5 * t))
    # The loudspeaker of a guitar lets little through above 4 kHz: a mean over some samples is as dull.
    dull = np.convolve(tone, np.full(5, 0.2), "same")
    return np.asarray(0.3 * dull * np.minimum(1, t / 0.004) * _damped(n, 0.02), np.float32)


def kick(n: int) -> Float32:
    """Return a bass drum: a sine that falls from 130 to 48 Hz."""
    t = _clock(n)
    sweep = 48 * t + (130 - 48) * 0.03 * (1 - np.exp(-t / 0.03))
    return np.asarray(np.sin(2 * np.pi * sweep) * np.exp(-t / 0.11) * _damped(n), np.float32)


def snare(n: int, noise: Float32) -> Float32:
    """Return a snare drum: a short tone under noise; `noise` is float32 [at least n]."""
    t = _clock(n)
    tone = 0.4 * np.sin(2 * np.pi * 185 * t) * np.exp(-t / 0.05)
    return np.asarray((tone + 0.35 * noise[:n] * np.exp(-t / 0.07)) * _damped(n), np.float32)


def hat(n: int, noise: Float32) -> Float32:
    """Return a closed hi-hat: noise without its lows; `noise` is float32 [at least n + 2]."""
    high = noise[2 : n + 2] - 2 * noise[1 : n + 1] + noise[:n]
    return np.asarray(0.12 * high * np.exp(-_clock(n) / 0.03) * _damped(n), np.float32)


def panned(mono: Float32, position: float) -> Float32:
    """Place a mono sound between left (−1) and right (+1) at constant power, float32 [n_samples, 2]."""
    angle = (position + 1) * np.pi / 4
    sides = np.array([np.cos(angle), np.sin(angle)]) * np.sqrt(2)
    return np.asarray(mono[:, None] * sides, np.float32)
