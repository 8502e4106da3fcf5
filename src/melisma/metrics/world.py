"""WORLD's view of a voice: pitch, spectral envelope and breath, every 5 ms; and a voice made of them again.

References
----------
Morise, Yokomori and Ozawa, IEICE Transactions E99-D (7), 2016; the code is pyworld's, pitch is by DIO and StoneMask.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from melisma.core.errors import MissingDependency
from melisma.core.records import Float32

Float64 = npt.NDArray[np.float64]
SAMPLE_RATE = 16000  # Hz
HOP = 80  # samples between frames: 5 ms
N_FFT = 1024  # of an envelope, what WORLD takes at 16 kHz for pitch from 71 Hz on
_FLOOR_HZ, _CEILING_HZ = 65.0, 600.0  # of speaking voices, children included
# Power that no envelope falls below: about that of rounding to 16 bits, so that no silence is quieter than another.
_QUIET = 1e-10


@cache
def _pyworld() -> Any:
    try:
        with warnings.catch_warnings():
            # pyworld asks pkg_resources for its version, which warns of its own end.
            warnings.simplefilter("ignore")
            import pyworld
    except ImportError as error:
        raise MissingDependency(
            f"measuring a voice needs {error.name or 'pyworld'}: pip install 'melisma[units]'"
        ) from error
    return pyworld


def n_frames(n_samples: int) -> int:
    """Return how many frames WORLD makes: one at 0, and one for each 5 ms that are over."""
    return n_samples // HOP + 1


def pitch(samples: Float32) -> Float64:
    """Track the fundamental frequency.

    Parameters
    ----------
    samples : float32 [n_samples]
        At `SAMPLE_RATE`.

    Returns
    -------
    float64 [n_frames]
        Hz, 0 where no voice is heard.

    Raises
    ------
    MissingDependency
        If pyworld is not installed.
    """
    sound = np.ascontiguousarray(samples, np.float64)
    settings = {"f0_floor": _FLOOR_HZ, "f0_ceil": _CEILING_HZ, "frame_period": 1000 * HOP / SAMPLE_RATE}
    f0, times = _pyworld().dio(sound, SAMPLE_RATE, allowed_range=0.1, **settings)
    refined: Float64 = _pyworld().stonemask(sound, f0, times, SAMPLE_RATE)
    return refined


def envelope(samples: Float32, f0: Float64) -> Float64:
    """Return the spectral envelope by CheapTrick: power, float64 [n_frames, N_FFT / 2 + 1]."""
    sound = np.ascontiguousarray(samples, np.float64)
    power: Float64 = _pyworld().cheaptrick(sound, f0, _times(f0), SAMPLE_RATE, fft_size=N_FFT)
    np.maximum(power, _QUIET, out=power)
    return power


def breath(samples: Float32, f0: Float64, chosen: slice = slice(None)) -> Float64:
    """Return the aperiodicity by D4C: the share of noise in the amplitude, float64 [n_frames, N_FFT / 2 + 1].

    D4C takes longer than all the rest; `chosen` says of which frames it is to be known.
    """
    sound = np.ascontiguousarray(samples, np.float64)
    frames, times = np.ascontiguousarray(f0[chosen]), np.ascontiguousarray(_times(f0)[chosen])
    share: Float64 = _pyworld().d4c(sound, frames, times, SAMPLE_RATE, fft_size=N_FFT)
    return share


def speak(f0: Float64, power: Float64, aperiodicity: Float64) -> Float32:
    """Make a voice of pitch, envelope and breath; float32 samples, about `HOP` for each frame."""
    parts = (np.ascontiguousarray(each, np.float64) for each in (f0, power, aperiodicity))
    return np.asarray(_pyworld().synthesize(*parts, SAMPLE_RATE, 1000 * HOP / SAMPLE_RATE), np.float32)


def _times(f0: Float64) -> Float64:
    return np.asarray(np.arange(len(f0)) * (HOP / SAMPLE_RATE), np.float64)
