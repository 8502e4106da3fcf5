"""One take of a synthetic voice: what was heard, at 16 kHz, and which phone is heard when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from melisma.core.records import Float32
from melisma.synth.voice import Phone
from melisma.text.phones import VOWELS, to_labels

SAMPLE_RATE = 16000

# Of a sound that is spelt with two labels, how much is the first: an affricate's burst is short, a diphthong's first
# half is the longer one. Of three and more each gets as much.
_BURST, _FIRST_VOWEL = 0.3, 0.55
_PLOSIVES = frozenset("ptkbdɡʔ")

# Quieter than this, against the take's peak, is silence: synthetic voices are silent but for a few bits of dither.
_SILENCE = 10 ** (-50 / 20)
# A vowel ends where it falls this far under its own peak: breathy timbres breathe on into a closure, at -42 dB.
_VOWEL_END = 10 ** (-32 / 20)
_VALLEY = 220  # samples at 22.05 kHz: a vowel is as quiet between two swings of the vocal folds


@dataclass(frozen=True, slots=True)
class Span:
    """A label of the inventory and where it is heard, [start, end) in samples."""

    label: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Take:
    """A take: float32 [n_samples] within ±1 at `SAMPLE_RATE`, and its phones in seconds, in order."""

    samples: Float32
    phones: tuple[tuple[str, float, float], ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def spell(sounds: Iterable[Phone]) -> list[Span]:
    """Spell sounds in labels: a sound of two labels is parted, one without a name (a release, a glide) joins the last.

    Parameters
    ----------
    sounds : iterable of Phone
        End to end.
    """
    spans: list[Span] = []
    for sound in sounds:
        labels, start, end = to_labels(sound.symbol), sound.start, sound.end
        if not labels:
            if spans and spans[-1].end == start:
                spans[-1] = Span(spans[-1].label, spans[-1].start, end)
            continue
        at = float(start)
        for label, share in zip(labels, _shares(labels), strict=True):
            spans.append(Span(label, at, at + share * (end - start)))
            at = spans[-1].end
        spans[-1] = Span(spans[-1].label, spans[-1].start, end)
    return spans


def _shares(labels: Sequence[str]) -> list[float]:
    if len(labels) == 2 and labels[0] in _PLOSIVES:
        return [_BURST, 1 - _BURST]
    if len(labels) == 2 and labels[0] in VOWELS:
        return [_FIRST_VOWEL, 1 - _FIRST_VOWEL]
    return [1 / len(labels)] * len(labels)


def trimmed(spans: Iterable[Span], samples: Float32) -> list[Span]:
    """Cut silence from both ends of each span: a stop begins with its burst, a vowel ends before the closure."""
    floor = _SILENCE * float(np.abs(samples).max(initial=0.0))
    cut: list[Span] = []
    for span in spans:
        first, last = max(round(span.start), 0), min(round(span.end), len(samples))
        loud = np.flatnonzero(np.abs(samples[first:last]) > floor)
        if len(loud):
            # A border that is audible stays where it was, to the fraction of a sample.
            start = span.start if loud[0] == 0 else float(first + loud[0])
            if span.label in VOWELS:
                heard = np.abs(samples[first:last])
                loud = np.flatnonzero(heard > max(floor, _VOWEL_END * float(heard.max())))
            rest = last - (first + int(loud[-1]) + 1)
            end = span.end if rest <= (_VALLEY if span.label in VOWELS else 0) else float(last - rest)
            cut.append(Span(span.label, max(start, 0.0), min(end, float(len(samples)))))
        elif span.label in _PLOSIVES or not cut or cut[-1].end - cut[-1].start <= 0:
            cut.append(Span(span.label, float(first), float(last)))  # a glottal stop is a silence
        else:
            # Not heard by itself, such as a dark l: it lies in the sound before it.
            host = cut[-1]
            middle = host.start + _FIRST_VOWEL * (host.end - host.start)
            cut[-1:] = [Span(host.label, host.start, middle), Span(span.label, middle, host.end)]
    return cut


def take_of(
    samples: Float32, spans: Sequence[Span], sample_rate: int, peak: float, margins: tuple[float, float]
) -> Take:
    """Bring a recording to 16 kHz and a peak, with silence before and after it.

    Parameters
    ----------
    samples : float32 [n_samples]
    spans : sequence of Span
        In samples of the recording.
    sample_rate : int
        Of the recording, in Hz.
    peak : float
        Largest absolute value of the result, over 0, at most 1.
    margins : (float, float)
        Seconds of silence before and after.
    """
    loudest = float(np.abs(samples).max(initial=0.0))
    resampled = soxr.resample(samples, sample_rate, SAMPLE_RATE) if sample_rate != SAMPLE_RATE else samples
    before, after = (round(seconds * SAMPLE_RATE) for seconds in margins)
    padded = np.pad(np.asarray(resampled, np.float32) * np.float32(peak / max(loudest, 1e-9)), (before, after))
    lead = before / SAMPLE_RATE
    phones = tuple((s.label, lead + s.start / sample_rate, lead + s.end / sample_rate) for s in spans)
    return Take(np.clip(padded, -1.0, 1.0), phones)
