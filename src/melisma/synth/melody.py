"""Melodies by rule: a rhythm that fits the syllables of a line, and steps of the scale that follow the chords."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from melisma.synth.accompaniment import BEATS_PER_BAR, Key
from melisma.synth.singing import Note

_EIGHTHS = 2 * BEATS_PER_BAR
_BREATH = 2  # eighths of rest at least after a line
_LAST = 3  # eighths that the last note gets at least
_LONGEST_LAST = 6
_TURN_S = 0.16  # a pitch of a melisma lasts that long at least: faster ones are not heard as notes
_TURNS = (2, 5)  # how many more pitches a vowel gets, half-open


def bars_needed(n_notes: int) -> int:
    """Return how many bars a line of so many notes takes when most are eighths and quarters."""
    return max(1, -(-round(1.4 * (n_notes - 1) + _LAST + _BREATH) // _EIGHTHS))


def rhythm(n_notes: int, n_bars: int, rng: np.random.Generator) -> list[int]:
    """Draw the lengths of the notes in eighths: quarters and dotted quarters strewn among eighths, a long last note."""
    lengths = [1] * (n_notes - 1) + [_LAST]
    spare = n_bars * _EIGHTHS - _BREATH - sum(lengths)
    order = rng.permutation(n_notes - 1) if n_notes > 1 else np.zeros(0, np.int64)
    for _ in range(2):
        for i in order:
            if spare <= 0:
                break
            lengths[i] += 1
            spare -= 1
    lengths[-1] = min(_LONGEST_LAST, lengths[-1] + max(0, spare))
    return lengths


def compose(
    n_notes: int, chords: Sequence[int], key: Key, span: tuple[int, int], beat_s: float, rng: np.random.Generator
) -> list[Note]:
    """Compose the melody of one line.

    Parameters
    ----------
    n_notes : int
        Syllables of the line.
    chords : sequence of int
        Degree of the chord of each bar of the line.
    key : Key
    span : (int, int)
        Lowest and highest MIDI note of the singer.
    beat_s : float
        Length of a quarter note in seconds.
    rng : numpy.random.Generator
    """
    steps = [s for s in range(-7, 15) if span[0] <= key.midi(s, span[0]) <= span[1]]
    lengths = rhythm(n_notes, len(chords), rng)
    step = steps[len(steps) // 2]
    notes: list[Note] = []
    at = 0
    for i, length in enumerate(lengths):
        chord = key.chord(chords[min(at // _EIGHTHS, len(chords) - 1)])
        in_chord = [s for s in steps if any((s - tone) % 7 == 0 for tone in chord)]
        if at % 4 == 0 or i == n_notes - 1:
            # Strong beats stand on the chord, at the tone nearest to where the melody is going.
            goal = step + int(rng.integers(-2, 3))
            step = min(in_chord, key=lambda s: (abs(s - goal), s))
        else:
            step = int(np.clip(step + rng.choice((-2, -1, -1, 0, 1, 1, 2)), steps[0], steps[-1]))
        notes.append(Note(key.midi(step, span[0]), at * beat_s / 2, length * beat_s / 2))
        at += length
    return notes


def with_melismas(
    notes: Sequence[Note], key: Key, span: tuple[int, int], share: float, rng: np.random.Generator
) -> list[Note]:
    """Sing a share of the notes that are long enough on more than one pitch, up and down the scale.

    Parameters
    ----------
    notes : sequence of Note
    key : Key
    span : (int, int)
        Lowest and highest MIDI note of the singer.
    share : float
        Of the notes that have room for three pitches.
    rng : numpy.random.Generator
    """
    scale = sorted({m for s in range(-7, 15) if span[0] <= (m := key.midi(s, span[0])) <= span[1]})
    out: list[Note] = []
    for note in notes:
        room = int(note.length_s / _TURN_S) - 1
        if room < _TURNS[0] or note.midi not in scale or rng.random() >= share:
            out.append(note)
            continue
        turns: list[int] = []
        at = scale.index(note.midi)
        for _ in range(min(room, int(rng.integers(*_TURNS)))):
            up = at == 0 or (at < len(scale) - 1 and rng.random() < 0.5)
            at += 1 if up else -1
            turns.append(scale[at])
        out.append(replace(note, turns=tuple(turns)))
    return out
