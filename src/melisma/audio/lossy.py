"""What a lossy codec does to a sound, without the codec: no process, no file, a few milliseconds for ten seconds.

A transform coder in miniature. The sound is cut into overlapping frames (MDCT), the frame's bits are shared out among
bands so that noise lies under the louder bands (λ·E^γ, reverse water-filling), and the coefficients are rounded to the
steps that this leaves. Bands without bits fall silent. What is heard is what MP3 and its kin are known for: a missing
top, twitter, echoes before a consonant. `melisma.audio.codecs` runs the real ones, at a hundred times the cost.

References
----------
Princen and Bradley, "Analysis/synthesis filter bank design based on time domain aliasing cancellation", IEEE ASSP 1986.
Cover and Thomas, *Elements of Information Theory*, section 10.3.3 (reverse water-filling).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from melisma.core.errors import UnknownName
from melisma.core.records import Float32

_ROUNDS = 18  # of halving the interval in which the noise level is looked for: 120 dB to less than a thousandth of one
_EXCESS_BITS = 0.25  # a plain quantiser with entropy coding needs more than the theory's bound, a quarter of a bit
_WIDTH = 1.0  # of a band, in Bark


@dataclass(frozen=True, slots=True)
class Coder:
    """A kind of codec.

    Parameters
    ----------
    hop_s : float
        Between frames, which overlap by half; echoes before a sound are as long.
    gamma : float
        How closely the noise follows the sound: 0 is the same everywhere, 1 the same below every band.
    low_hz, high_hz : float
        The band that it carries.
    hz_per_kbps : float
        How much of the band, by bit rate: encoders give up the top first.
    efficiency : float
        Share of the bits that is left for coefficients, so that the damage is as great as ffmpeg's encoders do
        (`benchmarks/augment.py` holds them against each other).
    """

    hop_s: float
    gamma: float
    low_hz: float
    high_hz: float
    hz_per_kbps: float
    efficiency: float


CODERS = {
    "mp3": Coder(0.018, 0.65, 20, 16000, 250, 0.7),
    "aac": Coder(0.023, 0.65, 20, 16000, 330, 0.4),
    "opus": Coder(0.01, 0.7, 50, 20000, 700, 0.9),
    "telephone": Coder(0.01, 0.6, 300, 3400, 700, 0.9),
}


def through(samples: Float32, sample_rate: int, codec: str, kbps: float) -> Float32:
    """Damage a sound as a codec at a bit rate does.

    Parameters
    ----------
    samples : float32 [n_samples]
    sample_rate : int
        Hz.
    codec : {"mp3", "aac", "opus", "telephone"}
        A telephone carries 300 to 3,400 Hz, as AMR and GSM do.
    kbps : float
        Kilobits per second for this one channel.

    Returns
    -------
    float32 [n_samples]
        In the same place in time.

    Raises
    ------
    UnknownName
        If there is no such codec.
    """
    coder = CODERS.get(codec)
    if coder is None:
        raise UnknownName("codec", codec, CODERS)
    if not len(samples):
        return samples
    hop = max(8, round(coder.hop_s * sample_rate))
    basis = _basis(hop)
    n_frames = -(-len(samples) // hop) + 1
    padded = np.zeros((n_frames + 1) * hop, np.float32)
    padded[hop : hop + len(samples)] = samples
    halves = padded.reshape(-1, hop)
    spectrum = np.hstack([halves[:-1], halves[1:]]) @ basis
    coded = _rounded(spectrum, sample_rate, coder, kbps)
    frames = coded @ basis.T
    out = frames[1:, :hop] + frames[:-1, hop:]
    return np.asarray(out.reshape(-1)[: len(samples)], np.float32)


@cache
def _basis(hop: int) -> Float32:
    """Return the windowed, orthonormal MDCT, float32 [2 · hop, hop]."""
    n, k = np.arange(2 * hop)[:, None], np.arange(hop)
    window = np.sin(np.pi * (n + 0.5) / (2 * hop))
    turned = np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5))
    return np.asarray(window * turned * np.sqrt(2 / hop), np.float32)


@cache
def _bands(hop: int, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first coefficient of each band, a Bark or two coefficients wide, and the middle of each in Hz."""
    hz = (np.arange(hop) + 0.5) * sample_rate / (2 * hop)
    bark = 13 * np.arctan(0.00076 * hz) + 3.5 * np.arctan((hz / 7500) ** 2)
    starts = [0]
    for k in range(1, hop):
        if bark[k] - bark[starts[-1]] >= _WIDTH and k - starts[-1] >= 2:
            starts.append(k)
    edges = np.array([*starts, hop])
    return edges[:-1], (edges[:-1] + edges[1:]) / 2 * sample_rate / (2 * hop)


def _rounded(spectrum: Float32, sample_rate: int, coder: Coder, kbps: float) -> Float32:
    """Round coefficients float32 [n_frames, hop] to what the bits allow."""
    hop = spectrum.shape[1]
    starts, middles = _bands(hop, sample_rate)
    widths = np.diff(np.append(starts, hop))
    edge = min(coder.high_hz, max(coder.hz_per_kbps * kbps, 3000.0))
    carried = (middles >= coder.low_hz) & (middles <= edge)
    energy = np.add.reduceat(np.square(spectrum, dtype=np.float64), starts, axis=1) / widths + 1e-12
    noise = _noise(
        energy, np.where(carried, widths, 0), coder.gamma, kbps * coder.efficiency * 1000 * hop / sample_rate
    )
    heard = carried & (noise < energy)
    step = np.sqrt(12 * noise).astype(np.float32)
    spread = np.repeat(step, widths, axis=1)
    # Half a step less a little: encoders round towards nought, as it costs less.
    level = np.trunc(np.abs(spectrum) / spread + np.float32(0.4))
    coded = np.sign(spectrum) * level * spread
    return np.asarray(np.where(np.repeat(heard, widths, axis=1), coded, 0), np.float32)


def _noise(energy: np.ndarray, widths: np.ndarray, gamma: float, bits: float) -> np.ndarray:
    """Return the noise power of each band, λ·E^γ, float64 [n_frames, n_bands], with λ so that all bits are used."""
    shaped = energy**gamma
    ratio = np.log2(energy / shaped)
    low = ratio.min(axis=1) - 40.0
    high = ratio.max(axis=1) + 1.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        over = ratio - middle[:, None]
        need = np.sum(np.where(over > 0, 0.5 * over + _EXCESS_BITS, 0) * widths, axis=1)
        low, high = np.where(need > bits, middle, low), np.where(need > bits, high, middle)
    return np.asarray(shaped * 2 ** high[:, None])
