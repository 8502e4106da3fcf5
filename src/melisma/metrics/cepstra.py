"""Mel-cepstra of spectral envelopes, and back.

The cepstrum of an envelope is warped by an all-pass of first order, whose phase follows the mel scale: alpha is 0.41 at
16 kHz, and 24 coefficients beside the zeroth are kept, as the field of speech synthesis does.

References
----------
Oppenheim and Johnson, Proceedings of the IEEE 60 (6), 1972, for the warp; Fukada and others, ICASSP 1992, for alpha and
order. The numbers are those of SPTK's and pysptk's `sp2mc`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
ALPHA, ORDER = 0.41, 24


def of_envelope(power: Float64, order: int = ORDER, alpha: float = ALPHA) -> Float64:
    """Return mel-cepstra of power spectra.

    Parameters
    ----------
    power : float64 [n_frames, n_bins]
        Above 0; bins from 0 to half the sample rate.

    Returns
    -------
    float64 [n_frames, order + 1]
        The zeroth is the mean of the natural logarithm of the amplitude over the warped scale.
    """
    half = power.shape[1] - 1
    cepstrum = np.fft.irfft(np.log(power))[:, : half + 1]
    cepstrum[:, 0] /= 2
    cepstrum[:, half] /= 2  # stands on both sides of the middle, and is counted once
    return np.asarray(cepstrum @ _warp(half + 1, order + 1, alpha))


def to_envelope(cepstra: Float64, n_bins: int, alpha: float = ALPHA) -> Float64:
    """Return power spectra of mel-cepstra, float64 [n_frames, n_bins]; what the order left out stays out."""
    bins = np.linspace(0, np.pi, n_bins)
    warped = bins + 2 * np.arctan2(alpha * np.sin(bins), 1 - alpha * np.cos(bins))
    waves = np.cos(np.outer(np.arange(cepstra.shape[1]), warped))
    return np.asarray(np.exp(2 * (cepstra @ waves)))


@cache
def _warp(n_in: int, n_out: int, alpha: float) -> Float64:
    """Return the matrix that warps a cepstrum, float64 [n_in, n_out]: the recursion, run on unit vectors at once."""
    turned = np.zeros((n_out, n_in))
    units = np.eye(n_in)
    for i in range(n_in - 1, -1, -1):
        before = turned.copy()
        turned[0] = units[i] + alpha * before[0]
        if n_out > 1:
            turned[1] = (1 - alpha**2) * before[0] + alpha * before[1]
        for m in range(2, n_out):
            turned[m] = before[m - 1] + alpha * (before[m] - turned[m - 1])
    matrix: Float64 = turned.T.copy()
    return matrix
