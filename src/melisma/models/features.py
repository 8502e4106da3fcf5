"""Log-mel features in NumPy: the same code prepares the training corpus and feeds the shipped model.

Frame i is centred on sample `i * HOP + HOP / 2`, so three frames make one emission frame whose centre is the centre
of its own 30 ms; the recording is padded with zeros at both ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32

Bool = npt.NDArray[np.bool_]

SAMPLE_RATE = 16000
HOP = 160  # 10 ms
WINDOW = 400  # 25 ms
N_FFT = 512
N_MELS = 64
STRIDE = 3  # feature frames per frame of the network's trunk, in training and in use
_LOW_HZ, _HIGH_HZ = 60.0, 7800.0
# Power below which nothing is heard: about −100 dB under full scale, summed over a mel band.
FLOOR = 1e-8
# Where less than this share of this many seconds is voice, nobody sings: such stretches say nothing of how songs sound.
_NEAR_S, _NEAR_SHARE = 16.0, 0.15
_BLOCK = 3000  # frames per pass, so that memory stays bounded whatever the length
_ROWS = 8  # frames per product of matrices: so few that no BLAS shares them out, and threads show in no bit
_COUNTED = 1 << 16  # frames that statistics are taken of at once: eleven minutes


def recipe() -> str:
    """Return what tells these features from others: it changes whenever their numbers do."""
    constants = (SAMPLE_RATE, HOP, WINDOW, N_FFT, N_MELS, _LOW_HZ, _HIGH_HZ, FLOOR)
    return "log-mel 1 " + " ".join(map(str, constants))


def n_frames(n_samples: int) -> int:
    """Return the number of feature frames of a recording: one per hop begun."""
    return -(-n_samples // HOP)


def _mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + hz / 700.0)


@cache
def filterbank() -> Float32:
    """Return triangular mel filters, float32 [N_FFT / 2 + 1, N_MELS], each of unit height (O'Shaughnessy's scale)."""
    edges_mel = np.linspace(_mel(np.array(_LOW_HZ)), _mel(np.array(_HIGH_HZ)), N_MELS + 2)
    edges = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    filters: Float32 = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    return filters


@cache
def _window() -> Float32:
    window: Float32 = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    return window


def _blocks(samples: Float32) -> Iterator[Float32]:
    lead = (WINDOW - HOP) // 2
    total = n_frames(len(samples))
    for first in range(0, total, _BLOCK):
        count = min(_BLOCK, total - first)
        start = first * HOP - lead
        stop = start + (count - 1) * HOP + WINDOW
        piece = samples[max(start, 0) : min(stop, len(samples))]
        piece = np.pad(piece, (max(-start, 0), max(stop - len(samples), 0)))
        frames = np.lib.stride_tricks.sliding_window_view(piece, WINDOW)[::HOP]
        spectrum = np.fft.rfft(frames * _window(), N_FFT)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        yield _bands(power)


def _bands(power: Float32) -> Float32:
    """Return the mel bands of power spectra, float32 [n, N_MELS]: the same bits, however many threads there are."""
    stacked = np.pad(power, ((0, -len(power) % _ROWS), (0, 0))).reshape(-1, _ROWS, power.shape[1])
    return np.asarray((stacked @ filterbank()).reshape(-1, N_MELS)[: len(power)])


def mel_power(samples: Float32) -> Float32:
    """Return mel band powers, float32 [n_frames, N_MELS], of mono audio at 16 kHz."""
    power = np.empty((n_frames(len(samples)), N_MELS), np.float32)
    at = 0
    for block in _blocks(samples):
        power[at : at + len(block)] = block
        at += len(block)
    return power


def log_mel(samples: Float32) -> Float32:
    """Return natural-log mel powers, float32 [n_frames, N_MELS], of mono audio at 16 kHz."""
    power = mel_power(samples)  # of hours, hundreds of megabytes: there is one copy of it
    power += np.float32(FLOOR)
    return np.asarray(np.log(power, out=power))


def normalise(log_power: Float32, counted: Bool | None = None, out: Float32 | None = None) -> Float32:
    """Give every band zero mean and unit deviation over the recording: gain and colour of a recording drop out.

    Parameters
    ----------
    log_power : float32 [n_frames, N_MELS]
        Log-mels, normalised before or not.
    counted : bool [n_frames], optional
        Frames that mean and deviation are taken from; all of them unless given, or where it says none.
    out : float32 [n_frames, N_MELS], optional
        Where to write the result, which may be `log_power` itself; a new array unless given.
    """
    if not len(log_power):
        return np.zeros((0, N_MELS), np.float32)
    mean, deviation = _moments(log_power, counted if counted is not None and counted.any() else None)
    normal: Float32 = np.subtract(log_power, mean, out=out)
    normal /= (deviation + 1e-2).astype(np.float32)
    return normal


def _moments(log_power: Float32, counted: Bool | None) -> tuple[Float32, npt.NDArray[np.float64]]:
    """Return mean, float32 [N_MELS], and deviation, float64 [N_MELS], of the frames that count, block by block."""

    def blocks() -> Iterator[Float32]:
        for first in range(0, len(log_power), _COUNTED):
            part = slice(first, first + _COUNTED)
            yield log_power[part] if counted is None else log_power[part][counted[part]]

    n = len(log_power) if counted is None else np.count_nonzero(counted)
    total = np.sum([block.sum(axis=0, dtype=np.float64) for block in blocks()], axis=0)
    mean = np.asarray(total / n, np.float32)
    around = (block - mean for block in blocks())
    squares = np.sum([np.einsum("ij,ij->j", each, each, dtype=np.float64) for each in around], axis=0)
    return mean, np.sqrt(squares / n)


def near_voice(vocal: Float32, hops: int) -> Bool:
    """Say which feature frames have a voice near: more than 15 % of the 16 s around, as far as there is recording.

    Parameters
    ----------
    vocal : float32 [n]
        Probability that a voice is heard, per emission frame.
    hops : int
        Feature frames per emission frame.

    Returns
    -------
    bool [n * hops]
    """
    heard = np.concatenate([[0], np.cumsum(vocal > 0.5)])
    beside = round(_NEAR_S / 2 * SAMPLE_RATE / HOP / hops)
    at = np.arange(len(vocal))
    low, high = np.maximum(at - beside, 0), np.minimum(at + beside + 1, len(vocal))
    near: Bool = np.repeat(heard[high] - heard[low] > _NEAR_SHARE * (high - low), hops)
    return near
