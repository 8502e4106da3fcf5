"""Words spoken by espeak-ng, each by itself, with the exact sample where every phone begins and ends.

A word spoken alone has exact borders by construction, and the phones that the per-word G2P of `text` promises;
espeak-ng's phoneme events place the phones inside it to the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr

from melisma.core.errors import LyricsError, UnknownName
from melisma.core.records import Float32
from melisma.synth.speech import SAMPLE_RATE, utter
from melisma.text import espeak, phones

# Words a minute at formant scale 1, and espeak-ng's pitch (0 to 99): 146 Hz, amid the singers' ranges.
_SPEED, _PITCH = 150, 90

_NUCLEI = frozenset("aɑɐæeɛəɚɜɝiɪɨoɔøœuʊʌyɯɤɒɘɵʉʏɞɶᵻ")
_SYLLABIC = "\u0329"
_VOICELESS = frozenset("ptkqcʈʔfθsʃʂɕçxχhħɸɬʍ")
_PLOSIVES = frozenset("ptkqcʈʔbdɡgɟɖɢ")

# Quieter than this, against the word's peak, is silence: espeak-ng writes digital zeros or a few bits of dither.
_SILENCE = 10 ** (-50 / 20)


@dataclass(frozen=True, slots=True)
class Singer:
    """A timbre of espeak-ng's: one of its variants without flutter or roughness, whose output is the same every time.

    `formant_scale` shortens the vocal tract by resampling; `lowest` and `highest` are the range in MIDI notes; `speed`
    (words a minute) and `pitch` (0 to 99) are those of the speech that is made to sing.
    """

    variant: str
    formant_scale: float
    lowest: int
    highest: int
    speed: int = _SPEED
    pitch: int = _PITCH


SINGERS = {
    "low": Singer("michel", 1.0, 45, 57),
    "middle": Singer("miguel", 1.07, 48, 60),
    "high": Singer("michel", 1.15, 53, 66),
    # Timbres that training does not use: for songs that a model is measured on.
    "alto": Singer("Storm", 1.2, 53, 67),
    "baritone": Singer("edward2", 0.95, 43, 56),
    "tenor": Singer("klatt5", 1.04, 47, 60),
}


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone as espeak-ng names it (IPA, stress and length marks and all), in samples [start, end) of its word."""

    symbol: str
    start: int
    end: int

    @property
    def nucleus(self) -> bool:
        """Whether a syllable can be sung on it."""
        return _SYLLABIC in self.symbol or not _NUCLEI.isdisjoint(self.symbol)

    @property
    def voiced(self) -> bool:
        """Whether the vocal folds swing, so that it has a pitch."""
        return bool(self._first) and self._first not in _VOICELESS

    @property
    def plosive(self) -> bool:
        """Whether it begins with a closure."""
        return self._first in _PLOSIVES

    @property
    def _first(self) -> str:
        split = phones.split(self.symbol)
        return split[0] if split else ""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as spoken on one pitch: float32 [n_samples] at `SAMPLE_RATE`, no silence around it, and its phones."""

    text: str
    samples: Float32
    phones: tuple[Phone, ...]
    period: float  # samples per swing of the vocal folds

    @property
    def nuclei(self) -> tuple[int, ...]:
        """Indices of the phones that carry a note; a word without a vowel sings its longest voiced phone."""
        found = tuple(i for i, p in enumerate(self.phones) if p.nucleus)
        if found:
            return found
        return (max(range(len(self.phones)), key=lambda i: (self.phones[i].voiced, self._length(i))),)

    def _length(self, i: int) -> int:
        return self.phones[i].end - self.phones[i].start


def singer_named(name: str) -> Singer:
    """Look a singer up by name.

    Raises
    ------
    UnknownName
        If there is none of that name.
    """
    if name not in SINGERS:
        raise UnknownName("singer", name, SINGERS)
    return SINGERS[name]


@lru_cache(maxsize=4096)
def speak(text: str, language: str, singer: str = "low") -> SpokenWord:
    """Speak one word on a flat pitch in the middle of a singer's range.

    Parameters
    ----------
    text : str
        One word.
    language : str
        A code that `melisma.text.espeak.voice_code` resolves.
    singer : str
        A name of `SINGERS`.

    Raises
    ------
    LyricsError
        If nothing of the word can be heard.
    UnknownName
        If the language or the singer is unknown.
    """
    return speak_as(text, language, singer_named(singer))


def speak_as(text: str, language: str, chosen: Singer) -> SpokenWord:
    """Speak one word with any timbre, see `speak`; nothing is kept."""
    code = espeak.voice_code(language)
    # Resampling to a shorter tract makes the word shorter by the same scale: it is spoken slower by as much.
    samples, events = utter(text, code, chosen.variant, round(chosen.speed / chosen.formant_scale), chosen.pitch)
    found = timed(events, len(samples))
    if not found or not np.any(samples):
        raise LyricsError(f"the word {text!r} has no sound in the language {language!r}: nobody can sing it")
    if chosen.formant_scale != 1.0:
        samples = np.asarray(soxr.resample(samples, chosen.formant_scale, 1.0), np.float32)
        found = [Phone(p.symbol, *(round(t / chosen.formant_scale) for t in (p.start, p.end))) for p in found]
    samples, found = _trim(samples, found)
    return SpokenWord(text, samples, tuple(found), _period(samples, found))


def timed(events: tuple[tuple[str, int], ...], n_samples: int) -> list[Phone]:
    """Turn phoneme events into half-open spans, from the first to the last with a name; a pause has an empty name.

    A phone of no length (the dark l of "bell", which espeak-ng draws together with its vowel) is spelt with the phone
    before it.
    """
    ends = [at for _, at in events[1:]] + [n_samples]
    found: list[Phone] = []
    for (name, at), end in zip(events, ends, strict=True):
        if end > at:
            found.append(Phone(name, at, end))
        elif name and found and found[-1].symbol:
            found[-1] = Phone(found[-1].symbol + name, found[-1].start, found[-1].end)
    named = [i for i, phone in enumerate(found) if phone.symbol]
    return found[named[0] : named[-1] + 1] if named else []


def _trim(samples: Float32, found: list[Phone]) -> tuple[Float32, list[Phone]]:
    """Cut to what can be heard: a plosive thus begins with its burst, or with its voice bar if it has one."""
    region = np.abs(samples[found[0].start : found[-1].end])
    audible = np.flatnonzero(region > _SILENCE * region.max(initial=0.0))
    first, last = found[0].start + int(audible[0]), found[0].start + int(audible[-1]) + 1
    cut = [Phone(p.symbol, max(p.start - first, 0), min(p.end, last) - first) for p in found]
    return samples[first:last].copy(), [p for p in cut if p.end > p.start]


def _period(samples: Float32, found: list[Phone]) -> float:
    """Measure the period of a voice on a flat pitch from the autocorrelation of its longest vowel, in samples."""
    vowel = max(found, key=lambda p: (p.nucleus, p.voiced, p.end - p.start))
    part = samples[vowel.start : vowel.end].astype(np.float64)
    part = part[: SAMPLE_RATE // 5] - part.mean()
    longest = min(SAMPLE_RATE // 80, len(part) // 2)
    shortest = SAMPLE_RATE // 260
    if longest <= shortest + 2:
        return SAMPLE_RATE / 130
    spectrum = np.abs(np.fft.rfft(part, 2 * len(part))) ** 2
    correlation = np.fft.irfft(spectrum)[: longest + 1] / (len(part) - np.arange(longest + 1))
    # Of several near-equal peaks the shortest lag is the period, the others its multiples.
    lags = np.arange(shortest, longest)
    best = correlation[lags].max()
    peaks = [k for k in lags if correlation[k] > 0.9 * best and correlation[k] >= max(correlation[[k - 1, k + 1]])]
    k = peaks[0] if peaks else int(lags[correlation[lags].argmax()])
    left, middle, right = correlation[k - 1 : k + 2]
    bend = left - 2 * middle + right
    step = 0.5 * (left - right) / bend if bend else 0.0
    return float(k + (step if abs(step) <= 1 else 0.0))  # a parabola through what is no peak leads anywhere
