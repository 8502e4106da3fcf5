"""How well the phones of a song's words are heard at each place of a recording, by the embedded phone model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melisma.core.records import Emission, Float32, Int64
from melisma.data.dali.annotation import Levels
from melisma.text import phones

Float64 = npt.NDArray[np.float64]

_CONSONANT_S = 0.06  # of unhurried singing, see `melisma.synth.singing`
_EPS = 0.01  # probability beneath which a phone counts as not heard: what the model misses is unlikely, not impossible


@dataclass(frozen=True, slots=True)
class Expected:
    """Phones of a song: label, time in the annotation (seconds), and line, each [n_phones], in order of time."""

    labels: Int64
    times: Float64
    lines: Int64
    spans: tuple[tuple[float, float], ...]  # of each line, from its first word to its last


def expected(levels: Levels, spelt: Sequence[Sequence[str]], emission: Emission) -> Expected:
    """Lay the phones of each word out over its time, as they are sung.

    Parameters
    ----------
    levels : Levels
        Whose words are placed; the notes of a word say when its syllables begin, if there is one for each.
    spelt : sequence of sequence of str
        The phones of each word, as the emission's model labels them.
    emission : Emission
        For its labels, and for where the model hears the first phone of a word.
    """
    index = {label: i for i, label in enumerate(emission.labels)}
    notes: dict[int, list[float]] = {}
    for note in levels.notes:
        if note.index is not None:
            notes.setdefault(note.index, []).append(note.time[0])
    labels: list[int] = []
    times: list[float] = []
    lines: list[int] = []
    for place, (word, names) in enumerate(zip(levels.words, spelt, strict=True)):
        at = laid_out([name in phones.VOWELS for name in names], word.time, notes.get(place, []))
        if names and emission.onset_shifts_s is not None:
            at[0] -= float(emission.onset_shifts_s[index[names[0]]])
        labels += [index[name] for name in names]
        times += at
        lines += [place if word.index is None else word.index] * len(names)
    order = np.argsort(times, kind="stable")
    spans = tuple(line.time for line in levels.lines) or ((0.0, max(times, default=0.0)),)
    rows = np.array(lines, np.int64)[order] if levels.lines else np.zeros(len(order), np.int64)
    return Expected(np.array(labels, np.int64)[order], np.array(times, np.float64)[order], rows, spans)


def laid_out(vowels: Sequence[bool], span: tuple[float, float], onsets: Sequence[float]) -> list[float]:
    """Return when each phone of a word is heard: consonants are short wherever they stand, vowels are held.

    Parameters
    ----------
    vowels : sequence of bool
        Of each phone, whether it is one.
    span : (float, float)
        Start and end of the word, in seconds.
    onsets : sequence of float
        When its notes begin; they are those of its syllables if there are as many.

    Examples
    --------
    >>> laid_out([False, True, False, False, True], (1.0, 3.0), [1.0, 2.0])
    [1.0, 1.06, 1.94, 2.0, 2.06]
    """
    syllables = _syllables(vowels)
    n = len(syllables)
    starts = [*onsets] if len(onsets) == n else [span[0] + k * (span[1] - span[0]) / max(n, 1) for k in range(n)]
    out: list[float] = []
    for k, (n_onset, n_vowels, n_coda) in enumerate(syllables):
        start, end = starts[k], starts[k + 1] if k + 1 < n else span[1]
        each = min(_CONSONANT_S, (end - start) / (n_onset + n_vowels + n_coda))
        out += [start + i * each for i in range(n_onset + min(n_vowels, 1))]
        held = n_vowels - 1  # the second half of a diphthong comes at its end
        out += [end - (held + n_coda - i) * each for i in range(max(held, 0) + n_coda)]
    return [round(t, 6) for t in out]


def _syllables(vowels: Sequence[bool]) -> list[tuple[int, int, int]]:
    """Return how many consonants, vowels and consonants each syllable has; one without a vowel is all onset."""
    out: list[tuple[int, int, int]] = []
    onset, at = 0, 0
    while at < len(vowels):
        if not vowels[at]:
            onset, at = onset + 1, at + 1
            continue
        stop = at
        while stop < len(vowels) and vowels[stop]:
            stop += 1
        following = stop
        while following < len(vowels) and not vowels[following]:
            following += 1
        # Of the consonants between two vowels, the last one opens the second syllable.
        coda = following - stop - (following < len(vowels))
        out.append((onset, stop - at, coda))
        onset, at = 0, stop + coda
    return out or ([(onset, 0, 0)] if onset else [])


def evidence(emission: Emission, reach_s: float, step: int = 1) -> Float32:
    """Return how much each phone is heard near each frame, float32 [n_frames / step, n_labels], in nats above none."""
    frame_s = emission.timebase.stride / emission.timebase.sample_rate
    heard = np.exp(emission.log_probs)
    near = heard.copy()
    for by in range(1, max(0, round(reach_s / frame_s)) + 1):
        near[by:] = np.maximum(near[by:], heard[:-by])
        near[:-by] = np.maximum(near[:-by], heard[by:])
    return np.asarray(np.log1p(near[::step] / _EPS), np.float32)


def usual(heard: Float32, vocal: Float32 | None, step: int) -> Float32:
    """Return how much each phone is heard where anybody sings, float32 [n_labels]: what words of another song get."""
    if vocal is None:
        return np.asarray(heard.mean(axis=0), np.float32)
    weights = vocal[::step][:, None] + np.float32(1e-3)
    return np.asarray((weights * heard).sum(axis=0) / weights.sum(), np.float32)


def correlate(song: Expected, heard: Float32, step_s: float, rates: Float64) -> tuple[Float32, int]:
    """Slide the song over what is heard, at every rate and offset.

    Returns
    -------
    float32 [n_rates, n_offsets]
        Evidence per phone.
    int
        Index of offset 0.
    """
    n_heard, n_labels = heard.shape
    longest = int(song.times.max() * float(rates.max()) / step_s) + 2
    size = 1 << (n_heard + longest - 1).bit_length()
    spectrum = np.fft.rfft(heard.T, size)
    out = np.empty((len(rates), n_heard + longest), np.float32)
    for i, rate in enumerate(rates):
        template = np.zeros((n_labels, longest), np.float32)
        places = np.round(rate * song.times / step_s).astype(np.int64)
        np.add.at(template, (song.labels, np.clip(places, 0, longest - 1)), 1)
        both = np.fft.irfft((spectrum * np.conj(np.fft.rfft(template, size))).sum(axis=0), size)
        out[i] = np.concatenate([both[size - longest :], both[:n_heard]]) / len(song.times)
    return out, longest


def line_curves(song: Expected, heard: Float32, step_s: float, rate: float, origin: int, n_offsets: int) -> Float32:
    """Return the evidence for each line at each offset, float32 [n_lines, n_offsets], in nats, at one rate."""
    n_heard, _ = heard.shape
    places = np.round(rate * song.times / step_s).astype(np.int64)
    out = np.zeros((len(song.spans), n_offsets), np.float32)
    for label, place, line in zip(song.labels, places, song.lines, strict=True):
        # Offset index j puts the phone at frame place + j - origin.
        first = max(0, origin - place)
        last = min(n_offsets, n_heard + origin - place)
        if first < last:
            low = first + place - origin
            out[line, first:last] += heard[low : low + last - first, label]
    return out
