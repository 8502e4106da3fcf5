"""Log-mel features as Whisper takes them, in NumPy alone: the numbers of transformers' WhisperFeatureExtractor.

References
----------
Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, ICML 2023, section 2.2. The scale of mels
and the height of filters are those of M. Slaney's Auditory Toolbox, 1998.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32

SAMPLE_RATE = 16_000
WINDOW_S = 30.0
HOP = 160  # samples of a frame of log-mels
N_SAMPLES = 480_000  # of a window
N_FRAMES = N_SAMPLES // HOP  # 3,000 of a window; the encoder makes one state of two
STATE_S = 2 * HOP / SAMPLE_RATE  # seconds of a state of the encoder: 0.02
_N_FFT = 400
_KNEE_HZ, _KNEE_MEL = 1000.0, 15.0  # the scale is linear below, logarithmic above
_LOG_STEP = np.log(6.4) / 27.0
_FLOOR, _RANGE = 1e-10, 8.0  # of power; decades below the loudest that are kept
_BLOCK = 500  # frames at a time: 500 x 400 values of float64 are 1.6 MB


def log_mels(samples: Float32, n_mels: int = 80) -> Float32:
    """Return the log-mels of a window: what is missing of its 30 s is silence, what is over is left out.

    Parameters
    ----------
    samples : float32 [n_samples]
        Mono, 16 kHz.
    n_mels : int
        Bands: 80, or 128 of the third generation of large models.

    Returns
    -------
    float32 [n_mels, 3000]
        In the scale that the encoder takes, about -1 to 1.5.
    """
    window = np.zeros(N_SAMPLES, np.float64)
    kept = min(N_SAMPLES, len(samples))
    window[:kept] = samples[:kept]
    padded = np.pad(window, _N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::HOP][:N_FRAMES]
    taper = np.hanning(_N_FFT + 1)[:-1]
    filters = filterbank(n_mels)
    power = np.empty((N_FRAMES, n_mels), np.float64)
    for first in range(0, N_FRAMES, _BLOCK):
        spectrum = np.fft.rfft(frames[first : first + _BLOCK] * taper)
        power[first : first + _BLOCK] = (spectrum.real**2 + spectrum.imag**2) @ filters
    logs = np.log10(np.maximum(power, _FLOOR))
    found: Float32 = ((np.maximum(logs, logs.max() - _RANGE) + 4.0) / 4.0).T.astype(np.float32, order="C")
    return found


@cache
def filterbank(n_mels: int) -> npt.NDArray[np.float64]:
    """Return triangular mel filters of equal area from 0 to 8 kHz, float64 [201, n_mels]."""
    top = _KNEE_MEL + np.log(SAMPLE_RATE / 2 / _KNEE_HZ) / _LOG_STEP
    mels = np.linspace(0.0, top, n_mels + 2)
    edges = np.where(mels < _KNEE_MEL, mels * _KNEE_HZ / _KNEE_MEL, _KNEE_HZ * np.exp(_LOG_STEP * (mels - _KNEE_MEL)))
    bins = np.linspace(0.0, SAMPLE_RATE / 2, _N_FFT // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])
    return filters
