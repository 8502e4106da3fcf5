"""What is sung: a melody for the notes of a clip, and the pitch and loudness a singer makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from melisma.train.sung_time import Note

Float64 = npt.NDArray[np.float64]

# Semitones above the tonic: major, minor, harmonic minor, dorian, mixolydian, the two pentatonics.
_SCALES = (
    *((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 8, 11), (0, 2, 3, 5, 7, 9, 10)),
    *((0, 2, 4, 5, 7, 9, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10)),
)
# Steps along the scale and how often melodies take them: most go on or stay, few leap.
_STEPS = np.array([-4, -3, -2, -1, 0, 1, 2, 3, 4, 7])
_STEP_SHARES = np.array([2, 3, 9, 24, 22, 22, 9, 5, 3, 1]) / 100
_MELISMA_S = 0.5  # a shorter vowel is sung on one note


@dataclass(frozen=True, slots=True)
class Manner:
    """How a singer sings.

    Portamento in seconds; vibrato's rate in Hz, depth in semitones and delay in seconds; jitter in semitones (standard
    deviation); `scoop` and `melisma` are the shares of notes that begin from below and that are sung on several tones.
    """

    portamento_s: float
    vibrato_hz: float
    vibrato_depth: float
    vibrato_after_s: float
    jitter: float
    scoop: float
    melisma: float

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Manner:
        """Draw a singer."""
        return cls(
            portamento_s=float(np.clip(rng.normal(0.05, 0.015), 0.02, 0.1)),
            vibrato_hz=float(rng.uniform(4.5, 7.0)),
            vibrato_depth=float(rng.uniform(0.3, 1.0)) if rng.random() < 0.7 else 0.0,
            vibrato_after_s=float(rng.uniform(0.15, 0.3)),
            jitter=float(rng.uniform(0.03, 0.12)),
            scoop=float(rng.uniform(0, 0.3)),
            melisma=float(rng.uniform(0, 0.35)),
        )


def melody(notes: Sequence[Note], centre: float, reach: float, manner: Manner, rng: np.random.Generator) -> list[Tone]:
    """Make a melody up, one tone or more for each note.

    Parameters
    ----------
    notes : sequence of Note
    centre : float
        The middle of the singer's range as a MIDI number.
    reach : float
        Semitones that the melody may go from there, up and down.
    """
    tonic = float(rng.uniform(0, 12))
    steps = np.array(_SCALES[int(rng.integers(len(_SCALES)))], np.float64)
    ladder = np.sort((tonic + steps[None, :] + 12 * np.arange(11)[:, None]).ravel())
    ladder = ladder[np.abs(ladder - centre) <= reach]
    if not len(ladder):
        ladder = np.array([centre])
    home = int(np.argmin(np.abs(ladder - centre) + 6 * (np.abs((ladder - tonic) % 12) > 0.01)))
    at = home
    tones: list[Tone] = []
    for note in notes:
        for start, end in _parted(note, manner.melisma, rng):
            at = _next(at, len(ladder), rng)
            tones.append(Tone(start, end, float(ladder[at])))
        if note.last and rng.random() < 0.4:
            at = home
            tones[-1] = Tone(tones[-1].start, tones[-1].end, float(ladder[home]))
    return tones


@dataclass(frozen=True, slots=True)
class Tone:
    """One pitch (a MIDI number) held from start to end, seconds."""

    start: float
    end: float
    pitch: float


def _next(at: int, n: int, rng: np.random.Generator) -> int:
    """Step along a ladder of n rungs; steps off its ends turn back."""
    to = at + int(rng.choice(_STEPS, p=_STEP_SHARES))
    if not 0 <= to < n:
        to = 2 * at - to
    return min(max(to, 0), n - 1)


def _parted(note: Note, share: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    length = note.end - note.start
    if length < _MELISMA_S or rng.random() >= share:
        return [(note.start, note.end)]
    n = int(rng.integers(2, max(3, min(6, int(length / 0.15) + 1))))
    cuts = note.start + length * np.cumsum(np.concatenate([[0.0], rng.dirichlet(np.full(n, 4.0))]))
    return list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))


def contour(tones: Sequence[Tone], times: Float64, manner: Manner, rng: np.random.Generator) -> Float64:
    """Sing a melody.

    Parameters
    ----------
    tones : sequence of Tone
        In order.
    times : float64 [n]
        Seconds, evenly spaced.

    Returns
    -------
    float64 [n]
        MIDI numbers with fractions; the pitch goes on through consonants and pauses, where it may not be heard.
    """
    line = np.full(len(times), tones[0].pitch)
    for before, tone in pairwise(tones):
        # Singers reach the tone as the vowel begins: half of the way lies before it.
        along = np.clip((times - tone.start) / manner.portamento_s + 0.5, 0.0, 1.0)
        line += (tone.pitch - before.pitch) * along * along * (3 - 2 * along)
    for tone in tones:
        if rng.random() < manner.scoop and tone.end - tone.start > 0.2:
            since = times - tone.start
            depth, glide = rng.uniform(0.5, 2.0), rng.uniform(0.08, 0.18)
            line -= np.where((since >= 0) & (times < tone.end), depth * np.exp(-3 * np.maximum(since, 0) / glide), 0.0)
        if manner.vibrato_depth and tone.end - tone.start > manner.vibrato_after_s + 0.1:
            line += _vibrato(tone, times, manner, rng)
    return line + _wander(len(times), times, manner.jitter, rng)


def _vibrato(tone: Tone, times: Float64, manner: Manner, rng: np.random.Generator) -> Float64:
    since = times - tone.start - manner.vibrato_after_s
    left = tone.end - times
    swell = np.clip(since / 0.2, 0.0, 1.0) * np.clip(left / 0.05, 0.0, 1.0)
    rate = manner.vibrato_hz * rng.uniform(0.95, 1.05)
    depth = manner.vibrato_depth * rng.uniform(0.6, 1.0)
    return np.asarray(depth * swell * np.sin(2 * np.pi * rate * since))


def _wander(n: int, times: Float64, jitter: float, rng: np.random.Generator) -> Float64:
    """Return the unrest of a real voice: slow drift, and a little from frame to frame."""
    knots = max(2, int((times[-1] - times[0]) * 8) + 1)
    slow = np.interp(np.linspace(0, knots - 1, n), np.arange(knots), rng.normal(0, jitter, knots))
    return np.asarray(slow + rng.normal(0, jitter / 4, n))


def loudness(tones: Sequence[Tone], last: Sequence[bool], times: Float64, rng: np.random.Generator) -> Float64:
    """Shape each tone's loudness: an attack, a swell, a fall at the end of a phrase; float64 [n] in dB, 0 elsewhere."""
    level = np.zeros(len(times))
    for tone, ends in zip(tones, last, strict=True):
        inside = (times >= tone.start) & (times < tone.end)
        since, left = times[inside] - tone.start, tone.end - times[inside]
        accent = rng.normal(0, 1.5)
        attack = rng.uniform(1, 5) * np.exp(-since / rng.uniform(0.015, 0.04))
        swell = rng.uniform(-2, 3) * np.sin(np.pi * since / (tone.end - tone.start))
        # Down to −10 dB only: what the truth calls a vowel is to be heard as one.
        fall = rng.uniform(3, 10) * np.clip(1 - left / rng.uniform(0.08, 0.25), 0.0, 1.0) if ends else 0.0
        level[inside] = np.clip(accent, -3, 3) - attack + swell - fall
    return level
