"""Pitch-synchronous overlap-add: a spoken word at another pitch and other durations, its formants where they were.

Grains of two periods are cut at the swings of the vocal folds and laid down at the swings of the wanted pitch; what
lies between two grains is their mixture, so that a held vowel does not buzz with the repetition of one grain.

References
----------
Moulines and Charpentier, "Pitch-synchronous waveform processing techniques", Speech Communication 9, 1990.
"""

from __future__ import annotations

import numpy as np

from melisma.core.records import Float32, Int64
from melisma.synth.speech import SAMPLE_RATE
from melisma.synth.voice import SpokenWord

_RAMP = 64  # samples over which pitched and copied sound change places, 3 ms


def pitch_marks(word: SpokenWord) -> Int64:
    """Mark each swing of the vocal folds, int64 [n_marks], one per period over the whole word, voiceless or not.

    The first mark is the loudest point of a vowel; from there each next mark is where the sound is most like that
    around the mark before, within a tenth of the period that the voice keeps.
    """
    samples, period = word.samples.astype(np.float64), word.period
    nucleus = word.phones[word.nuclei[0]]
    half = round(period)
    middle = (nucleus.start + nucleus.end) // 2
    around = slice(max(middle - half // 2, 0), middle + half // 2 + 1)
    seed = around.start + int(np.abs(samples[around]).argmax())
    padded = np.pad(samples, 2 * half)
    marks = [seed]
    for step in (-1, 1):
        at = seed
        while 0 <= at + step * period * 1.1 < len(samples):
            at = _next_mark(padded, at, step, period, half)
            marks.append(at)
    # A period is no whole number of samples: the last step may round to one sample past the end.
    return np.unique(np.clip(np.array(marks, np.int64), 0, len(samples) - 1))


def _next_mark(padded: np.ndarray, at: int, step: int, period: float, half: int) -> int:
    """Find the next mark before (step −1) or after (+1) one; `padded` has 2·half zeros at both ends."""
    slack = max(1, round(0.1 * period))
    guess = at + step * round(period)
    origin = 2 * half
    pattern = padded[origin + at - half : origin + at + half]
    low = origin + guess - slack - half
    region = padded[max(low, 0) : low + 2 * half + 2 * slack]
    if low < 0 or len(region) < 2 * half + 2 * slack:
        return guess
    windows = np.lib.stride_tricks.sliding_window_view(region, 2 * half)
    match = windows @ pattern
    if not match.max() > 0:
        return guess
    return guess - slack + int(match.argmax())


def render(word: SpokenWord, out_edges: Int64, in_edges: Int64, f0_hz: Float32) -> Float32:
    """Stretch a word along a piecewise linear map of time and give its voiced parts a pitch.

    Parameters
    ----------
    word : SpokenWord
        What was spoken.
    out_edges, in_edges : int64 [n_edges]
        Samples of the result and of the word that belong together, rising, from 0 to either length.
    f0_hz : float32 [n_samples]
        Wanted pitch at each sample of the result.

    Returns
    -------
    float32 [n_samples]
        The sung word: voiced phones at the pitch, voiceless ones copied as they were spoken.
    """
    sung = _overlap_add(word, out_edges, in_edges, f0_hz)
    mask = np.zeros(len(sung), np.float32)
    copied = np.zeros(len(sung), np.float32)
    for phone in word.phones:
        start, end = (int(np.interp(t, in_edges, out_edges)) for t in (phone.start, phone.end))
        if phone.voiced:
            mask[start:end] = 1.0
            continue
        # A voiceless phone is not stretched: where more room is given, what is left of it stays silent.
        lead = min(_RAMP, start, phone.start)
        part = word.samples[phone.start - lead : phone.end + _RAMP][: len(sung) - start + lead]
        copied[start - lead : start - lead + len(part)] = part
    mask = _smooth(mask)
    return (mask * sung + (1 - mask) * copied).astype(np.float32)


def _smooth(mask: Float32) -> Float32:
    """Turn the steps of a mask into raised-cosine ramps, leaving its ends as they are."""
    ramp = np.hanning(_RAMP + 2)[1:-1]
    padded = np.pad(mask, (_RAMP // 2, _RAMP - 1 - _RAMP // 2), mode="edge")
    return np.convolve(padded, ramp / ramp.sum(), mode="valid").astype(np.float32)


def _overlap_add(word: SpokenWord, out_edges: Int64, in_edges: Int64, f0_hz: Float32) -> Float32:
    """Lay the grains down at the swings of the wanted pitch, to a fraction of a sample."""
    n, half = len(f0_hz), round(word.period)
    marks = pitch_marks(word)
    phase = np.concatenate([[0.0], np.cumsum(f0_hz.astype(np.float64) / SAMPLE_RATE)])
    swings = np.interp(np.arange(int(phase[-1]) + 1), phase, np.arange(n + 1))
    source = np.interp(swings, out_edges, in_edges)
    place = np.interp(source, marks, np.arange(len(marks)))
    left = np.minimum(place.astype(np.int64), max(len(marks) - 2, 0))
    right = np.minimum(left + 1, len(marks) - 1)
    share = (place - left)[:, None]
    window = np.hanning(2 * half + 1)
    padded = np.pad(word.samples.astype(np.float64), half)
    grains = padded[marks[:, None] + np.arange(2 * half + 1)] * window
    mixed = (1 - share) * grains[left] + share * grains[right]
    # A higher voice lays more grains: the square root keeps its power from rising with its pitch.
    local_f0 = f0_hz[np.minimum(swings.astype(np.int64), n - 1)]
    mixed *= np.sqrt(SAMPLE_RATE / word.period / local_f0)[:, None]
    whole = np.floor(swings).astype(np.int64)
    shifted = _delay(mixed, swings - whole)
    out = np.zeros(n + 2 * half + shifted.shape[1])
    np.add.at(out, whole[:, None] + np.arange(shifted.shape[1]), shifted)
    return out[half : half + n].astype(np.float32)


def _delay(grains: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Delay each row by a fraction of a sample, exactly, in the spectrum."""
    size = 1 << (grains.shape[1] + 8).bit_length()
    spectrum = np.fft.rfft(grains, size)
    spectrum *= np.exp(-2j * np.pi * np.fft.rfftfreq(size) * fractions[:, None])
    delayed: np.ndarray = np.fft.irfft(spectrum, size)[:, : grains.shape[1] + 8]
    return delayed
