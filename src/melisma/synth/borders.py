"""Where espeak-ng's phones are heard: its events put to where the sound changes, in the two places where they are not.

espeak-ng counts the way from a nasal or an approximant into its vowel to the consonant: measured over 270 borders in
six languages, the spectrum changes 22 to 28 ms before the vowel's event (four fifths of them between 10 and 44 ms). And
it counts the closure of a voiceless plosive to the phone before it: 38 ms of silence. All other borders, and the
beginning of every word, were found where the events say, within 6 ms.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from melisma.core.records import Float32
from melisma.text import phones

_SONORANTS = frozenset("mnɱɳɲŋɴlɫɭʎʟɹɻjwɥɰʋ")
_PLOSIVES = frozenset("ptkqcʈʔbdɡgɟɖɢ")
_VOWELS = frozenset("aɑɐæɛeəɚɜɝiɪɨɔoøœuʊʌyɯɤɒɘɵʉʏɞɶᵻ")

_SILENCE = 10 ** (-50 / 20)  # of the peak, as for the ends of words
_CLOSURE_S = 0.01  # shorter than this is no closure but a valley between two swings
_EARLIEST_S = 0.09  # before its event is a vowel looked for
_WINDOW_S, _HOP_S = 0.01, 0.001
_N_BANDS = 24
_SMOOTH = 7  # hops: about a swing of the vocal folds, whose ripple is no change of sound
_REACH = 2  # hops on either side of a point at which the spectrum is read

Events = tuple[tuple[str, int], ...]


def as_heard(samples: Float32, events: Events, sample_rate: int) -> Events:
    """Put espeak-ng's phoneme events to where their sounds begin.

    Parameters
    ----------
    samples : float32 [n_samples]
        What was spoken.
    events : tuple of (str, int)
        IPA and first sample of each phoneme in order; a pause has an empty name.
    sample_rate : int
        Of the samples, in Hz.

    Returns
    -------
    tuple of (str, int)
        The same phonemes, and a pause for each closure before a voiceless plosive.
    """
    ends = [at for _, at in events[1:]] + [len(samples)]
    heard: list[tuple[str, int]] = []
    before = ("", 0)  # name and beginning of the phoneme before
    for (name, at), end in zip(events, ends, strict=True):
        start = min(at, len(samples))
        if _ends_on(before[0], _SONORANTS) and _starts_on(name, _VOWELS):
            start = _change(samples, before[1], start, min(end, len(samples)), sample_rate)
        elif before[0] and _starts_on(name, _PLOSIVES):
            closed = _closure(samples, heard[-1][1], start, sample_rate)
            if closed < start:
                heard.append(("", closed))
        heard.append((name, start))
        before = name, start
    return tuple(heard)


def _starts_on(name: str, kind: frozenset[str]) -> bool:
    found = phones.split(name)
    return bool(found) and found[0] in kind


def _ends_on(name: str, kind: frozenset[str]) -> bool:
    found = phones.split(name)
    return bool(found) and found[-1] in kind


def _closure(samples: Float32, first: int, burst: int, sample_rate: int) -> int:
    """Return where the silence before a burst begins; the burst itself where there is none."""
    if not len(samples) or burst <= first:
        return burst
    floor = _SILENCE * float(np.abs(samples).max())
    audible = np.flatnonzero(np.abs(samples[first:burst]) > floor)
    last = first + int(audible[-1]) + 1 if len(audible) else burst
    return last if burst - last >= _CLOSURE_S * sample_rate else burst


def _change(samples: Float32, left: int, event: int, right: int, sample_rate: int) -> int:
    """Return where a sonorant has become its vowel by half: half of the way from one spectrum to the other.

    The two are read at the consonant's first third and just behind the event, so that a diphthong's second half says
    nothing.
    """
    hop = round(_HOP_S * sample_rate)
    n_left, n_right = (event - left) // hop, (right - event) // hop
    if n_left < 4 * _REACH or n_right < 4 * _REACH:
        return event
    spectrum = _spectrum(samples, left, n_left + min(n_right, n_left), hop, sample_rate)
    calm = max(_REACH, n_left // 3)
    behind = min(n_left + max(_REACH, round(0.015 / _HOP_S)), len(spectrum) - _REACH - 1)
    from_, to = (spectrum[i - _REACH : i + _REACH + 1].mean(axis=0) for i in (calm, behind))
    way = to - from_
    length = float(way @ way)
    if not length:
        return event
    share = (spectrum[calm : n_left + 1] - from_) @ way / length
    earliest = max(0, n_left - calm - round(_EARLIEST_S / _HOP_S))
    # The last crossing: what crosses before it and comes back is the consonant's own movement.
    below = np.flatnonzero(share[earliest:] < 0.5)
    k = earliest + (int(below[-1]) + 1 if len(below) else 0)
    return min(event, left + (calm + k) * hop)


def _spectrum(samples: Float32, first: int, n: int, hop: int, sample_rate: int) -> npt.NDArray[np.float64]:
    """Decibels in bands that widen with frequency, float64 [n, n_bands], one row a hop from sample `first`."""
    half = round(_WINDOW_S * sample_rate / 2)
    margin = _SMOOTH // 2
    padded = np.pad(samples.astype(np.float64), half + margin * hop)
    starts = first + hop * np.arange(n + 2 * margin)
    starts = np.minimum(starts, len(padded) - 2 * half)
    window = np.hanning(2 * half)
    power = np.abs(np.fft.rfft(padded[starts[:, None] + np.arange(2 * half)] * window, 512)) ** 2
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 0.4 * sample_rate / 700), _N_BANDS + 1) / 2595) - 1)
    bins = np.unique(np.round(edges / sample_rate * 512).astype(int))
    bands = np.add.reduceat(power, bins[:-1], axis=1)
    calm = np.lib.stride_tricks.sliding_window_view(bands, 2 * margin + 1, axis=0).mean(axis=-1)
    return np.asarray(10 * np.log10(calm + 1e-7 * calm.max() + 1e-20))
