"""Acoustic fingerprints: the same recording found again though it was re-encoded, resampled, made louder or cut.

Of every 20 ms, 32 bits say between which neighbouring bands the energy rises (Haitsma and Kalker, ISMIR 2002), from
windows of 0.4 s. Copies differ in few bits, other recordings in nearly half, also other takes of one text by one
speaker. Chromaprint, made for songs, says 8 words a second and nothing about the first 2.2 s: half of a corpus of
speech is shorter than it needs. docs/corpora.md has the figures. Copies at another speed or pitch are not found.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from melisma.core.records import Float32

Words = NDArray[np.uint32]

VERSION = "1"  # changes where the same samples get other words
WORDS_PER_S = 50
NEAR = 0.3  # similarity from which two recordings are copies of one
MIN_OVERLAP = 0.7  # share of the shorter recording that must be found in the longer one

_RATE = 8000  # Hz; what tells recordings apart lies below 2.5 kHz, and every codec keeps it
_WINDOW, _HOP = 3200, _RATE // WORDS_PER_S  # samples
_BAND_HZ = (250.0, 2500.0)
_STEADY = 1e-3  # change from word to word, as a share of the energy, below which a sound says nothing: silence, a hum
_FRAMES = 512  # at once: 20 MB
_FEW = 25  # words that tell, half a second: fewer agree by chance
_MANY = 100  # words, two seconds: fewer must agree the more, twice as much for half a second
_BEST = 8  # offsets tried where there are too many to try them all
_TRIED = 4_000_000  # words compared at every offset; longer recordings are laid over each other where words are equal


def of(samples: Float32, rate: int) -> Words:
    """Fingerprint a recording.

    Parameters
    ----------
    samples : float32 [n]
        One channel.
    rate : int
        In Hz.

    Returns
    -------
    uint32 [n_words]
        50 words a second, the first for the first 0.4 s; 0 where the sound is steady and says nothing. None at all for
        what is shorter than 0.42 s.
    """
    if rate != _RATE:
        samples = soxr.resample(samples, rate, _RATE, quality="MQ")
    if len(samples) < _WINDOW + _HOP:
        return np.zeros(0, np.uint32)
    frames = sliding_window_view(np.asarray(samples, np.float32), _WINDOW)[::_HOP]
    energy = np.concatenate([_energy(frames[at : at + _FRAMES]) for at in range(0, len(frames), _FRAMES)])
    change = np.diff(energy, axis=0)  # [n_words, n_bands]
    rises = np.diff(change, axis=1) < 0
    words = np.packbits(rises, axis=1).view(">u4")[:, 0].astype(np.uint32)
    words[np.abs(change).sum(axis=1) <= _STEADY * energy[1:].sum(axis=1)] = 0
    return words


def _bins() -> NDArray[np.int64]:
    edges = np.round(np.geomspace(*_BAND_HZ, 34) * _WINDOW / _RATE).astype(np.int64)
    return np.maximum.accumulate(edges + np.arange(34)) - np.arange(34)


_EDGES = _bins()
_TAPER = np.hanning(_WINDOW).astype(np.float32)


def _energy(frames: Float32) -> NDArray[np.float64]:
    """Energy of 33 bands, [n_frames, 33]."""
    spectrum = np.fft.rfft(frames * _TAPER, axis=1)[:, _EDGES[0] : _EDGES[-1]]
    power = spectrum.real.astype(np.float64) ** 2 + spectrum.imag.astype(np.float64) ** 2
    found: NDArray[np.float64] = np.add.reduceat(power, _EDGES[:-1] - _EDGES[0], axis=1)
    return found


def similar(a: Words, b: Words, min_overlap: float = MIN_OVERLAP) -> float:
    """Say how alike two recordings are where one lies best over the other.

    Returns
    -------
    float
        1 for the same sound, about 0 for any two recordings, `NEAR` or more for copies of one. 0 where too little of
        them says anything. The shorter one may stick out of the longer one by 1 - `min_overlap` of its length.
    """
    least = least_overlap(a, b, min_overlap)
    offsets = range(least - len(b), len(a) - least + 1)
    tried = offsets if len(a) * len(b) <= _TRIED else [offset for offset in _likely(a, b) if offset in offsets]
    return max((at_offset(a, b, offset) for offset in tried), default=0.0)


def least_overlap(a: Words, b: Words, min_overlap: float = MIN_OVERLAP) -> int:
    """Return how many words two recordings must share to be called copies."""
    return max(_FEW, int(np.ceil(min_overlap * min(len(a), len(b)))))


def at_offset(a: Words, b: Words, offset: int) -> float:
    """Compare where the first word of `b` lies over word `offset` of `a`; 0 to 1 as `similar`."""
    first, last = max(0, offset), min(len(a), offset + len(b))
    if last - first < _FEW:
        return 0.0
    x, y = a[first:last], b[first - offset : last - offset]
    telling = (x != 0) & (y != 0)
    n_telling = int(np.count_nonzero(telling))
    if n_telling < _FEW:
        return 0.0
    differing = int(n_bits(x[telling] ^ y[telling]).sum()) / (32 * n_telling)
    alike = max(0.0, 1.0 - 2.0 * differing)
    # Words overlap in time: a second of them holds few that are independent, and agrees more by chance.
    sure = n_telling >= _MANY or alike >= NEAR * np.sqrt(_MANY / n_telling)
    return alike if sure else min(alike, NEAR / 2)


# NumPy 1 cannot count bits.
_OF_16_BITS = np.unpackbits(np.arange(65536, dtype=np.uint16).view(np.uint8)).reshape(65536, 16).sum(1, dtype=np.uint8)


def n_bits(words: Words) -> NDArray[np.uint8]:
    """Count the bits that are set in each word."""
    found: NDArray[np.uint8] = _OF_16_BITS[words & 0xFFFF] + _OF_16_BITS[words >> 16]
    return found


def _likely(a: Words, b: Words) -> list[int]:
    """Offsets at which most words are equal, and those beside them."""
    order = np.argsort(a, kind="stable")
    ranked = a[order]
    places = np.searchsorted(ranked, b)
    places[places == len(a)] = 0
    equal = (ranked[places] == b) & (b != 0)
    offsets, n_votes = np.unique(order[places[equal]] - np.nonzero(equal)[0], return_counts=True)
    best = offsets[np.argsort(-n_votes, kind="stable")[:_BEST]]
    return sorted({int(offset) + step for offset in best for step in (-1, 0, 1)})
