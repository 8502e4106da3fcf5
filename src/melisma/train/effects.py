"""What a studio and a listener's file do to a voice, drawn for training; nothing here moves a sound in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melisma.audio.effects import drive, equalise, lowpass, reverberate
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


def doubled(samples: Float32, other: Float32, delay: int, below_db: float) -> Float32:
    """Add a second singing of the same, `delay` samples late."""
    late = np.zeros_like(samples)
    n = max(min(len(samples) - delay, len(other)), 0)
    late[delay : delay + n] = other[:n]
    return np.asarray(samples + late * np.float32(10 ** (-below_db / 20)), np.float32)
