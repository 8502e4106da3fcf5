"""The pitch of a recording on the clock of units."""

from __future__ import annotations

import numpy as np

from melisma.core.records import Float32
from melisma.metrics import world
from melisma.units.clock import STRIDE


def pitch(samples: Float32, n_frames: int) -> Float32:
    """Return the pitch in the middle of every 20 ms, float32 [n_frames], in Hz; 0 where there is no voice, or no sound.

    Parameters
    ----------
    samples : float32 [n_samples]
        Mono at 16 kHz.
    n_frames : int
        How many frames there are.

    Raises
    ------
    MissingDependency
        If pyworld is not installed.
    """
    every = STRIDE // world.HOP
    heard = samples[: n_frames * STRIDE]
    found = np.zeros(n_frames, np.float32)
    if len(heard) >= STRIDE:
        middle = world.pitch(heard)[every // 2 :: every][:n_frames]
        found[: len(middle)] = middle
    return found
