"""How near synthesised speech comes to a recording of the same words.

Conventions
-----------
Both are mono at 16 kHz and begin at the same time; measures frame by frame are of the frames that both have, and the
ratio of their lengths stands beside. Nothing is shifted, scaled or left out, silence included.

- **SNR**: 10 log10(sum x² / sum (x - y)²) of the samples, in dB. A vocoder makes its own phases, so it says little.
- **MCD**: mel-cepstral distortion, (10 / ln 10) sqrt(2 sum (c_d - c'_d)²) over coefficients 1 to 24, in dB, its mean
  over frames of 5 ms; the mel-cepstra are those of WORLD's envelope (`melisma.metrics.cepstra`: alpha 0.41). With
  DTW it is the mean over the pairs of the cheapest way through both that strays by a second at most
  (`melisma.metrics.warping`).
- **log-mel**: mean absolute difference of the natural logarithms of 80 mel bands, 20 ms apart, amplitudes of 1e-5 at
  least: what HiFi-GAN's mel loss is of. 0.115 are 1 dB.
- **F0**: root mean square differences in Hz and in cents, and the share of differences over 20 % (gross errors), where
  both have a voice; **voicing error**: the share of frames where just one of them has.
- **unit errors**: the share of frames whose unit is another after synthesis and encoding, and the edits between both
  sequences without repeats over the length of the first.

References
----------
Kubichek, IEEE PacRim 1993 (MCD); Nakatani and others, Speech Communication 50, 2008 (F0); Kong, Kim and Bae, NeurIPS
2020 (log-mel).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

from melisma.core.errors import InputError
from melisma.core.records import Float32
from melisma.metrics import cepstra, warping, world

Float64 = npt.NDArray[np.float64]
SAMPLE_RATE = world.SAMPLE_RATE
MEL_HOP, N_MELS, N_FFT = 320, 80, 1024
_FAINTEST = 1e-5  # amplitude, HiFi-GAN's
_IN_DB = 10 * np.sqrt(2) / np.log(10)
_GROSS = 0.2
_STRAY = SAMPLE_RATE // world.HOP  # frames: a second, as what is compared begins at the same time
_BLOCK = 2000  # frames whose spectra are in memory at once


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What measures are taken of: samples, log-mels [n, N_MELS] in 20 ms, cepstra [m, 25] and pitch [m] in 5 ms."""

    samples: Float32
    log_mel: Float64
    cepstra: Float64
    f0_hz: Float64


@dataclass(frozen=True, slots=True)
class Scores:
    """How a synthesis differs from its recording; see the conventions above.

    Parameters
    ----------
    snr_db : float, optional
        None where the recording is silent; infinite values are cut at ±100 dB.
    mcd_db, mcd_dtw_db, log_mel : float
        Distances.
    length_ratio : float
        Samples of the synthesis for each of the recording.
    f0_hz, f0_cents, f0_gross : float, optional
        None where no frame has a voice in both.
    voicing_error : float
        A share.
    """

    snr_db: float | None
    mcd_db: float
    mcd_dtw_db: float
    log_mel: float
    length_ratio: float
    f0_hz: float | None
    f0_cents: float | None
    f0_gross: float | None
    voicing_error: float


def hear(samples: Float32) -> Heard:
    """Analyse a recording or a synthesis.

    Parameters
    ----------
    samples : float32 [n_samples]
        Mono at 16 kHz; 20 ms at least.

    Raises
    ------
    InputError
        If it is shorter, or holds values that are no numbers.
    MissingDependency
        If pyworld is not installed.
    """
    if len(samples) < MEL_HOP:
        raise InputError(f"{len(samples)} samples are too few to be measured: {MEL_HOP} make a frame")
    if not np.isfinite(samples).all():
        raise InputError("the sound holds values that are no numbers")
    f0 = world.pitch(samples)
    return Heard(samples, log_mel(samples), cepstra.of_envelope(world.envelope(samples, f0)), f0)


def compare(recording: Heard, synthesis: Heard) -> Scores:
    """Return how a synthesis differs from its recording."""
    hz, cents, gross, unlike = f0_errors(recording.f0_hz, synthesis.f0_hz)
    return Scores(
        snr_db=snr_db(recording.samples, synthesis.samples),
        mcd_db=mcd_db(recording.cepstra, synthesis.cepstra),
        mcd_dtw_db=mcd_db(recording.cepstra, synthesis.cepstra, warped=True),
        log_mel=log_mel_distance(recording.log_mel, synthesis.log_mel),
        length_ratio=len(synthesis.samples) / len(recording.samples),
        f0_hz=hz,
        f0_cents=cents,
        f0_gross=gross,
        voicing_error=unlike,
    )


def snr_db(recording: Float32, synthesis: Float32) -> float | None:
    """Return the signal-to-noise ratio over the samples that both have; None where the recording is silent.

    Examples
    --------
    >>> tone = np.sin(np.arange(1600, dtype=np.float32))
    >>> round(snr_db(tone, 0.9 * tone), 3), snr_db(tone, tone)
    (20.0, 100.0)
    """
    n = min(len(recording), len(synthesis))
    x, y = recording[:n].astype(np.float64), synthesis[:n].astype(np.float64)
    # Not by products of vectors: their last bits follow the number of threads.
    signal, noise = float(np.square(x).sum()), float(np.square(x - y).sum())
    if signal == 0:
        return None
    return 100.0 if noise == 0 else float(np.clip(10 * np.log10(signal / noise), -100, 100))


def mcd_db(recording: Float64, synthesis: Float64, *, warped: bool = False) -> float:
    """Return the mel-cepstral distortion of cepstra [n, n_dims], whose first column, the loudness, is left out.

    Examples
    --------
    >>> still = np.zeros((3, 25))
    >>> round(mcd_db(still, still + np.eye(25)[1]), 4)
    6.1419
    """
    x, y = recording[:, 1:], synthesis[:, 1:]
    if warped:
        steps = warping.path(x, y, _STRAY)
        x, y = x[steps[:, 0]], y[steps[:, 1]]
    n = min(len(x), len(y))
    return float(_IN_DB * np.sqrt(((x[:n] - y[:n]) ** 2).sum(axis=1)).mean())


def log_mel(samples: Float32) -> Float64:
    """Return natural-log mel amplitudes, float64 [n_samples // 320, N_MELS], each over 64 ms around its 20 ms."""
    n = len(samples) // MEL_HOP
    lead = (N_FFT - MEL_HOP) // 2
    padded = np.pad(samples[: n * MEL_HOP].astype(np.float64), (lead, N_FFT - MEL_HOP - lead))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::MEL_HOP]
    window = np.hanning(N_FFT + 1)[:-1]
    found = np.empty((n, N_MELS))
    for first in range(0, n, _BLOCK):
        part = slice(first, first + _BLOCK)
        found[part] = np.abs(np.fft.rfft(frames[part] * window)) @ _filters()
    return np.asarray(np.log(np.maximum(found, _FAINTEST)))


def log_mel_distance(recording: Float64, synthesis: Float64) -> float:
    """Return the mean absolute difference of log-mels over the frames that both have."""
    n = min(len(recording), len(synthesis))
    return float(np.abs(recording[:n] - synthesis[:n]).mean())


def f0_errors(recording: Float64, synthesis: Float64) -> tuple[float | None, float | None, float | None, float]:
    """Return RMS error in Hz and in cents, share of gross errors, and voicing error, over the frames that both have."""
    n = min(len(recording), len(synthesis))
    x, y = recording[:n], synthesis[:n]
    unlike = float(((x > 0) != (y > 0)).mean())
    voiced = (x > 0) & (y > 0)
    if not voiced.any():
        return None, None, None, unlike
    x, y = x[voiced], y[voiced]
    hz = float(np.sqrt(((x - y) ** 2).mean()))
    cents = float(1200 * np.sqrt((np.log2(y / x) ** 2).mean()))
    return hz, cents, float((np.abs(y / x - 1) > _GROSS).mean()), unlike


def unit_errors(said: Sequence[int], heard: Sequence[int]) -> tuple[int, int]:
    """Count frames whose unit is another, and those compared: what both sequences have.

    Examples
    --------
    >>> unit_errors([1, 1, 2, 3], [1, 2, 2])
    (1, 3)
    """
    pairs = list(zip(said, heard, strict=False))
    return sum(one != other for one, other in pairs), len(pairs)


def unit_edits(said: Sequence[int], heard: Sequence[int]) -> tuple[int, int]:
    """Count edits between two sequences without repeats, and the units of the first.

    Examples
    --------
    >>> unit_edits([1, 1, 2, 3, 3], [1, 4, 3])
    (1, 3)
    """
    first, second = _without_repeats(said), _without_repeats(heard)
    return int(Levenshtein.distance(first, second)), len(first)


def _without_repeats(units: Sequence[int]) -> list[int]:
    return [int(unit) for i, unit in enumerate(units) if i == 0 or unit != units[i - 1]]


@cache
def _filters() -> Float64:
    """Return triangular filters of unit area from 0 to 8 kHz, [N_FFT / 2 + 1, N_MELS] (O'Shaughnessy's scale)."""
    top = 2595.0 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700.0 * (10.0 ** (np.linspace(0, top, N_MELS + 2) / 2595.0) - 1)
    bins = np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    shape = np.maximum(0.0, np.minimum(rising, falling))
    filters: Float64 = shape * 2.0 / (edges[2:] - edges[:-2])
    return filters
