"""Mel-frequency cepstra as features: 13 with their first and second differences, in NumPy, as Kaldi makes them.

They are what HuBERT's first units were clustered from (Hsu et al., 2021, III-A). Frames come every 10 ms for the
differences; every second one is kept, whose window is the one that a unit stands for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32
from melisma.units.clock import SAMPLE_RATE, STRIDE, WINDOW, n_frames
from melisma.units.encoder import EncoderFacts

N_DIMS = 39
_HOP = STRIDE // 2
_N_FFT, _N_MELS, _N_CEPSTRA = 512, 23, 13
_PREEMPHASIS, _LOW_HZ, _LIFTER = 0.97, 20.0, 22
_FLOOR = float(np.finfo(np.float32).eps)  # of the energy of a band, as in Kaldi
_BESIDE = 2  # frames of 10 ms on either side that a difference looks at
_BLOCK = 2048  # frames of 10 ms whose spectra are in memory at once
# Rows of a product of matrices: so few that no BLAS shares them out between threads, whose number would show in the
# last bits.
_ROWS = 16

Float64 = npt.NDArray[np.float64]


class Mfcc:
    """39 numbers a frame; needs nothing but NumPy."""

    facts = EncoderFacts(
        name="mfcc",
        kind="mfcc",
        layer=None,
        n_dims=N_DIMS,
        fingerprint=hashlib.sha256(
            f"mfcc 1 {SAMPLE_RATE} {_HOP} {WINDOW} {_N_FFT} {_N_MELS} {_N_CEPSTRA} {_PREEMPHASIS} {_LOW_HZ} {_LIFTER}"
            f" {_FLOOR} {_BESIDE}".encode()
        ).hexdigest(),
        licence="Apache-2.0",
    )

    def encode(self, waveforms: Sequence[Float32]) -> list[Float32]:
        """Return features of recordings; see `Encoder.encode`."""
        return [mfcc(samples) for samples in waveforms]


def mfcc(samples: Float32) -> Float32:
    """Return cepstra and their differences, float32 [n_frames(n_samples), 39].

    Parameters
    ----------
    samples : float32 [n_samples]
        Mono at 16 kHz.
    """
    n = n_frames(len(samples))
    if not n:
        return np.zeros((0, N_DIMS), np.float32)
    cepstra = np.concatenate(
        [_cepstra(samples, at, min(_BLOCK, _n_hops(samples) - at)) for at in range(0, _n_hops(samples), _BLOCK)]
    )
    first = _differences(cepstra)
    features = np.concatenate([cepstra, first, _differences(first)], axis=1)[::2]
    return np.ascontiguousarray(features[:n], np.float32)


def _n_hops(samples: Float32) -> int:
    return (len(samples) - WINDOW) // _HOP + 1


def _cepstra(samples: Float32, first: int, count: int) -> Float64:
    """Return the cepstra of frames of 10 ms, float64 [count, 13]."""
    piece = samples[first * _HOP : (first + count - 1) * _HOP + WINDOW].astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(piece, WINDOW)[::_HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    spectrum = np.fft.rfft((frames - _PREEMPHASIS * before) * _window(), _N_FFT)
    power = spectrum.real**2 + spectrum.imag**2
    mels = np.log(np.maximum(_times(power, _bands()), _FLOOR))
    return _times(mels, _cosines())


def _times(rows: Float64, matrix: Float64) -> Float64:
    """Return the product of matrices, a few rows at a time."""
    padded = np.pad(rows, ((0, -len(rows) % _ROWS), (0, 0)))
    product: Float64 = np.matmul(padded.reshape(-1, _ROWS, rows.shape[1]), matrix)
    return product.reshape(-1, matrix.shape[1])[: len(rows)]


def _differences(rows: Float64) -> Float64:
    """Return the slope of each column over five frames, the first and last repeated beyond the ends."""
    padded = np.pad(rows, ((_BESIDE, _BESIDE), (0, 0)), mode="edge")
    steps = range(1, _BESIDE + 1)
    total = np.zeros_like(rows)
    for step in steps:
        total += step * (padded[_BESIDE + step :][: len(rows)] - padded[_BESIDE - step :][: len(rows)])
    slope: Float64 = total / (2 * sum(step**2 for step in steps))
    return slope


@cache
def _window() -> Float64:
    """Return Kaldi's window "povey": Hann's to the power of 0.85."""
    window: Float64 = np.hanning(WINDOW) ** 0.85
    return window


@cache
def _bands() -> Float64:
    """Return Kaldi's mel filters, triangles on the mel scale, float64 [257, 23]."""
    low, high = (1127.0 * np.log(1.0 + hz / 700.0) for hz in (_LOW_HZ, SAMPLE_RATE / 2))
    edges = np.linspace(low, high, _N_MELS + 2)
    mels = 1127.0 * np.log(1.0 + np.arange(_N_FFT // 2 + 1) * SAMPLE_RATE / _N_FFT / 700.0)[:, None]
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    bands: Float64 = np.maximum(0.0, np.minimum(rising, falling))
    bands[-1] = 0.0  # Kaldi leaves the highest frequency out
    return bands


@cache
def _cosines() -> Float64:
    """Return the discrete cosine transform (type 2, orthonormal) with the lifter in it, float64 [23, 13]."""
    order = np.arange(_N_CEPSTRA)
    cosines = np.cos(np.pi / _N_MELS * (np.arange(_N_MELS)[:, None] + 0.5) * order) * np.sqrt(2.0 / _N_MELS)
    cosines[:, 0] = np.sqrt(1.0 / _N_MELS)
    lifted: Float64 = cosines * (1.0 + _LIFTER / 2 * np.sin(np.pi * order / _LIFTER))
    return lifted
