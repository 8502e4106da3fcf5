"""Scales, chords and melodies: which MIDI keys sound, without saying when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melisma.train.styles import SCALES, Voicing


@dataclass(frozen=True, slots=True)
class Harmony:
    """A tonic (pitch class, C = 0), a mode of `SCALES`, and how many notes a full chord has (3 or 4)."""

    tonic: int
    mode: str
    chord_size: int = 3

    def pitch_class(self, step: int) -> int:
        """Pitch class of a step of the scale, 0 being the tonic."""
        return (self.tonic + SCALES[self.mode][step % 7]) % 12

    def key(self, step: int, low: int) -> int:
        """MIDI key of a step of the scale, counted from the tonic at or above `low`."""
        base = low + (self.tonic - low) % 12
        return base + 12 * (step // 7) + SCALES[self.mode][step % 7]

    def near(self, step: int, centre: int) -> int:
        """Find the MIDI key of a step's pitch class that is nearest to `centre`."""
        return centre - 6 + (self.pitch_class(step) - centre + 6) % 12

    def voiced(self, degree: int, voicing: Voicing, centre: int) -> tuple[int, ...]:
        """Keys of the chord on a degree, low to high, in the inversion that lies about `centre`."""
        root = self.near(degree, centre)
        if voicing == "power":
            return root, self._above(root, degree + 4), root + 12
        if voicing == "octave":
            return root, root + 12
        if voicing == "low":
            return root - 12, self._above(root - 12, degree + 4)
        if voicing == "dyad":
            return tuple(sorted((self.near(degree + 2, centre), self.near(degree + 4, centre))))
        return tuple(sorted({self.near(degree + 2 * i, centre) for i in range(self.chord_size)}))

    def _above(self, root: int, step: int) -> int:
        return root + (self.pitch_class(step) - root) % 12


@dataclass(frozen=True, slots=True)
class MelodyNote:
    """A note of a motif: first step in the bar, length in steps, scale steps from the phrase's centre."""

    start: int
    length: int
    offset: int


def draw_motif(n_steps: int, density: float, rng: np.random.Generator) -> tuple[MelodyNote, ...]:
    """Draw a bar of melody on a grid; `density` from 0 (long notes) to 1 (a note nearly every step)."""
    # Long notes begin on beats, short ones anywhere: chances fall with the fineness of the place.
    weights = np.array([1.0 if i % 4 == 0 else 0.7 if i % 2 == 0 else 0.35 for i in range(n_steps)])
    starts = [i for i in range(n_steps) if rng.random() < weights[i] * (0.2 + 0.8 * density)]
    if not starts:
        starts = [int(rng.integers(n_steps // 2))]
    notes: list[MelodyNote] = []
    offset = int(rng.integers(-2, 3))
    for start, following in zip(starts, [*starts[1:], n_steps], strict=True):
        room = following - start
        length = room if rng.random() < 0.75 else int(rng.integers(1, room + 1))
        notes.append(MelodyNote(start, length, offset))
        offset += int(rng.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3)))
        offset = min(max(offset, -5), 6)  # turn back before the instrument's end
    return tuple(notes)


def vary(motif: tuple[MelodyNote, ...], rng: np.random.Generator) -> tuple[MelodyNote, ...]:
    """Repeat a motif with its end changed, or moved up or down."""
    move = int(rng.choice((-2, -1, 0, 0, 1, 2)))
    cut = len(motif) // 2
    ends = rng.integers(-2, 3, len(motif))
    return tuple(MelodyNote(n.start, n.length, n.offset + move + int(ends[i] * (i > cut))) for i, n in enumerate(motif))
