"""Styles of accompaniment as data: grooves, bass lines and chord parts, one character a step of the bar.

A bar of 4/4 has 16 steps, one of 3/4 or of 12/8 has 12. Drums: `X` loud, `x`, `o` soft, `.` nothing. Bass: `r` root,
`t` third, `f` fifth, `o` octave, `a` a step away from the next root, `=` held, `.` silence. Chord parts: `D` and `U`
strokes down and up (`d` and `u` soft), `m` a muted stroke, a digit one note of the chord, `=` held, `.` silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}

_STEPS_PER_BEAT = {"4/4": 4, "3/4": 4, "12/8": 3}
_BEATS = {"4/4": 4, "3/4": 3, "12/8": 4}

KICK, RIM, SNARE, CLAP, HAT, OPEN_HAT, PEDAL = 36, 37, 38, 39, 42, 46, 44
TOM_LOW, TOM_MIDDLE, TOM_HIGH, CRASH, RIDE = 45, 47, 50, 49, 51
TAMBOURINE, COWBELL, SHAKER, BONGO, CONGA, CLAVES = 54, 56, 70, 61, 63, 75

Voicing = Literal["chord", "power", "dyad", "octave", "low"]
Layout = Literal["centre", "side", "double", "wide"]


@dataclass(frozen=True, slots=True)
class Comp:
    """A part that plays the chords.

    `layout` says where: near the centre, on one side, the same twice on both sides (as guitars are recorded), or two
    instruments on both sides; `gate` is the share of a note's time that it is held.
    """

    programs: tuple[int, ...]
    patterns: tuple[str, ...]
    voicing: Voicing = "chord"
    layout: Layout = "side"
    centre: int = 60  # MIDI key about which the chord lies
    gate: float = 0.95
    volume: int = 80
    strum_s: float = 0.0  # from the first string to the last


@dataclass(frozen=True, slots=True)
class Style:
    """What a piece of one kind draws from; programmes count from 0."""

    name: str
    tempo: tuple[float, float]  # beats a minute
    modes: tuple[str, ...]
    progressions: tuple[tuple[int, ...], ...]  # degrees of the scale from 0, a bar each
    comps: tuple[Comp, ...]  # the first always plays, the others by chance
    grooves: tuple[tuple[tuple[int, str], ...], ...] = ()
    kits: tuple[int, ...] = (0,)
    basses: tuple[int, ...] = ()
    bass_lines: tuple[str, ...] = ()
    leads: tuple[int, ...] = ()
    meter: str = "4/4"
    swing: float = 0.0  # how far every second step comes late, in steps
    sevenths: float = 0.0  # share of pieces with four-note chords
    drive: tuple[float, float] = (0.0, 0.3)
    weight: float = 1.0  # how often, against the others: what songs are sung to comes more often

    @property
    def beats(self) -> int:
        """Beats in a bar."""
        return _BEATS[self.meter]

    @property
    def steps(self) -> int:
        """Steps in a bar."""
        return self.beats * _STEPS_PER_BEAT[self.meter]
