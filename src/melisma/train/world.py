"""WORLD's view of a voice: pitch, spectral envelope and breath, which can be changed one without the other.

Morise, Yokomori and Ozawa, IEICE Transactions E99-D (7), 2016; the vocoder itself is pyworld's.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from melisma.core.errors import MissingDependency
from melisma.core.records import Float32

Float64 = npt.NDArray[np.float64]
SAMPLE_RATE = 16000  # Hz
FRAME_S = 0.005
_FLOOR_HZ, _CEILING_HZ = 65.0, 600.0  # of speaking voices, children included
# Power no envelope falls below: digital silence has no logarithm.
_QUIET = 1e-12


@dataclass(frozen=True, slots=True)
class WorldVoice:
    """A voice in frames of `FRAME_S`.

    `f0` float64 [n_frames], Hz, 0 where unvoiced; `log_envelope` float64 [n_frames, n_bins], natural log of power;
    `aperiodicity` float64 [n_frames, n_bins], the share of noise in the amplitude, 0 to 1.
    """

    f0: Float64
    log_envelope: Float64
    aperiodicity: Float64


@cache
def _pyworld() -> Any:
    try:
        with warnings.catch_warnings():
            # pyworld asks pkg_resources for its version, which warns of its own end.
            warnings.simplefilter("ignore")
            import pyworld
    except ImportError as error:
        raise MissingDependency(
            f"making speech sing needs {error.name or 'pyworld'}: pip install 'melisma[train]'"
        ) from error
    return pyworld


def pitch(samples: Float32) -> Float64:
    """Track the fundamental frequency with DIO and StoneMask.

    Parameters
    ----------
    samples : float32 [n_samples]
        At `SAMPLE_RATE`.

    Returns
    -------
    float64 [n_frames]
        Hz every `FRAME_S` from 0 on; 0 where no voice is heard.

    Raises
    ------
    MissingDependency
        If pyworld is not installed.
    """
    world, sound = _pyworld(), samples.astype(np.float64)
    f0, times = world.dio(
        sound, SAMPLE_RATE, f0_floor=_FLOOR_HZ, f0_ceil=_CEILING_HZ, frame_period=FRAME_S * 1000, allowed_range=0.1
    )
    refined: Float64 = world.stonemask(sound, f0, times, SAMPLE_RATE)
    return refined


def analyse(samples: Float32, f0: Float64) -> WorldVoice:
    """Take a voice apart, trusting a pitch: frames with a pitch are voiced, whatever they sound like."""
    world, sound = _pyworld(), samples.astype(np.float64)
    times = np.arange(len(f0)) * FRAME_S
    envelope = world.cheaptrick(sound, f0, times, SAMPLE_RATE)
    # Threshold 0 turns D4C's own voicing decision off, which calls creaky vowels noise.
    aperiodicity = world.d4c(sound, f0, times, SAMPLE_RATE, threshold=0.0)
    return WorldVoice(f0, np.log(np.maximum(envelope, _QUIET)), aperiodicity)


def resynthesise(voice: WorldVoice) -> Float32:
    """Sound a voice: float32 [about n_frames · FRAME_S · SAMPLE_RATE] at `SAMPLE_RATE`."""
    sound = _pyworld().synthesize(
        np.ascontiguousarray(voice.f0),
        np.ascontiguousarray(np.exp(voice.log_envelope)),
        np.ascontiguousarray(np.clip(voice.aperiodicity, 1e-6, 1 - 1e-6)),
        SAMPLE_RATE,
        FRAME_S * 1000,
    )
    return np.asarray(sound, np.float32)
