"""The players of a piece: drums, bass, chords and lead, each turning bars into notes of a channel."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from melisma.train.harmony import Harmony, MelodyNote, draw_motif, vary
from melisma.train.midi_score import DRUM_CHANNEL, Bend, Control, Note, Track
from melisma.train.styles import CRASH, HAT, RIDE, SNARE, TOM_HIGH, TOM_LOW, TOM_MIDDLE, Comp, Style

T = TypeVar("T")

_LOUDNESS = {"X": 112, "x": 90, "o": 58, "D": 100, "U": 88, "d": 78, "u": 70, "m": 62}
_STROKES, _UP, _MUTED, _HELD = frozenset("DUdum"), frozenset("Uu"), "m", "="
_MUTED_S = 0.06
_MODULATION, _EXPRESSION = 1, 11
_STRANGE = 0.06  # share of parts played by an instrument that the style never heard of
_PITCHED = 104  # the programmes below are instruments, those above partly noises


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a piece: its number, its chord and the next one's (degrees), and what is going on."""

    number: int
    harmony: Harmony
    degree: int
    next_degree: int
    energy: float  # 0 one part … 1 all parts
    has_lead: bool
    first: bool  # of its section
    last: bool


@dataclass(slots=True)
class _Part:
    """A channel while it is being written; it plays in bars whose energy reaches `threshold`."""

    track: Track
    threshold: float
    notes: list[Note] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    bends: list[Bend] = field(default_factory=list)

    def done(self) -> Track:
        return replace(self.track, notes=tuple(self.notes), controls=tuple(self.controls), bends=tuple(self.bends))


@dataclass(frozen=True, slots=True)
class _CompPart:
    """A chord part with the two patterns it has chosen, and the channels that play it."""

    comp: Comp
    patterns: tuple[str, str]  # for calm and for full sections
    parts: tuple[_Part, ...]


class Band:
    """Draws players for a style, lets them play bars, and gives their tracks.

    Parameters
    ----------
    style : Style
    tempo_bpm : float
        Quarter notes a minute.
    rng : numpy.random.Generator
        Draws instruments, places, thresholds, and every human inexactness.
    """

    def __init__(self, style: Style, tempo_bpm: float, rng: np.random.Generator) -> None:
        self._style, self._rng = style, rng
        self._second = tempo_bpm / 60  # in quarter notes
        self._loose_s = float(rng.uniform(0, 0.012))
        self._step = 1 / (style.steps // style.beats)
        self._channels = [c for c in range(16) if c != DRUM_CHANNEL]
        self.has_drums = bool(style.grooves) and rng.random() < 0.88
        self._grooves = self._choose(style.grooves, 2) if self.has_drums else ()
        kit = int(rng.choice(style.kits)) if self.has_drums else 0
        self._drums = self._part(kit, 0.3, volume=int(rng.integers(75, 115)), channel=DRUM_CHANNEL)
        self._lines = self._choose(style.bass_lines, 2)
        has_bass = bool(style.basses) and rng.random() < 0.9
        self._bass = (
            self._part(self._program(style.basses), 0.25, volume=int(rng.integers(85, 112))) if has_bass else None
        )
        self._comps = tuple(self._draw_comp(c) for i, c in enumerate(style.comps) if i == 0 or rng.random() < 0.6)
        self._lead = self._draw_lead() if style.leads and rng.random() < 0.75 else None
        self._density = float(rng.uniform(0.15, 0.75))
        self._lead_centre = int(rng.integers(64, 78))
        self._motif: tuple[MelodyNote, ...] = ()

    def play(self, bar: Bar) -> None:
        """Let everyone play a bar; somebody always does."""
        full = bar.energy > 0.7
        playing = [c for c in self._comps if bar.energy >= c.parts[0].threshold] or [self._comps[0]]
        for comp in playing:
            self._play_comp(bar, comp, full=full)
        if self._bass and bar.energy >= self._bass.threshold:
            self._play_bass(bar, self._bass, self._lines[int(full)])
        if self._grooves and bar.energy >= self._drums.threshold:
            self._play_drums(bar, self._grooves[int(full)])
        if self._lead and bar.has_lead:
            self._play_lead(bar, self._lead)

    def tracks(self) -> tuple[Track, ...]:
        """Return the channels that played at least a note."""
        parts = [self._drums, *(p for c in self._comps for p in c.parts), *(p for p in (self._bass, self._lead) if p)]
        return tuple(part.done() for part in parts if part.notes)

    def _choose(self, options: tuple[T, ...], n: int) -> tuple[T, ...]:
        return tuple(options[int(self._rng.integers(len(options)))] for _ in range(n)) if options else ()

    def _program(self, programs: tuple[int, ...]) -> int:
        if self._rng.random() < _STRANGE:
            return int(self._rng.integers(_PITCHED))
        return int(self._rng.choice(programs))

    def _part(self, program: int, threshold: float, *, volume: int, pan: int = 64, channel: int | None = None) -> _Part:
        taken = self._channels.pop(0) if channel is None else channel
        reverb, chorus = int(self._rng.integers(5, 90)), int(self._rng.choice((0, 0, 20, 60)))
        return _Part(Track(taken, program, (), min(volume, 127), pan, reverb, chorus), threshold)

    def _draw_comp(self, comp: Comp) -> _CompPart:
        patterns = self._choose(comp.patterns, 2)
        threshold = float(self._rng.uniform(0.0, 0.75))
        volume = round(comp.volume * self._rng.uniform(0.7, 1.2))
        apart = int(self._rng.integers(25, 62))
        if self._rng.random() < 0.5:
            apart = -apart
        pans = {"centre": (apart // 5,), "side": (apart,), "double": (apart, -apart), "wide": (apart, -apart)}[
            comp.layout
        ]
        first = self._program(comp.programs)
        programs = [first] + [self._program(comp.programs) if comp.layout == "wide" else first] * (len(pans) - 1)
        quiet = 0.8 if len(pans) > 1 else 1.0
        parts = [
            self._part(program, threshold, volume=round(volume * quiet), pan=64 + pan)
            for program, pan in zip(programs, pans, strict=True)
        ]
        return _CompPart(comp, (patterns[0], patterns[1]), tuple(parts))

    def _draw_lead(self) -> _Part:
        pan = 64 + int(self._rng.integers(-45, 46))
        return self._part(self._program(self._style.leads), 0.0, volume=int(self._rng.integers(70, 110)), pan=pan)

    def _at(self, bar: Bar, step: int) -> float:
        """Quarter note at which a step of a bar falls, swung and not quite exact."""
        late = self._style.swing if step % 2 else 0.0
        loose = float(self._rng.normal(0, self._loose_s)) * self._second
        return max(0.0, bar.number * self._style.beats + (step + late) * self._step + loose)

    def _velocity(self, bar: Bar, loud: int) -> int:
        dynamic = 0.6 + 0.4 * bar.energy
        return int(min(max(loud * dynamic * self._rng.normal(1, 0.06), 8), 127))

    def _play_drums(self, bar: Bar, groove: tuple[tuple[int, str], ...]) -> None:
        fill_from = self._style.steps
        if bar.last and self._rng.random() < 0.6:
            fill_from -= int(self._rng.choice((4, 6, 8)))
        for drum, pattern in groove:
            for step, stroke in enumerate(pattern[:fill_from]):
                if stroke != ".":
                    self._hit(bar, step, drum, _LOUDNESS[stroke])
        toms = self._rng.permutation((SNARE, TOM_HIGH, TOM_MIDDLE, TOM_LOW))
        for step in range(fill_from, self._style.steps):
            if self._rng.random() < 0.75:
                self._hit(bar, step, int(toms[(step - fill_from) // 2 % 4]), int(self._rng.integers(70, 115)))
        if bar.first and bar.number and self._rng.random() < 0.7:
            self._hit(bar, 0, CRASH, 105)

    def _hit(self, bar: Bar, step: int, drum: int, loud: int) -> None:
        velocity = self._velocity(bar, round(loud * 0.85) if drum in (HAT, RIDE) else loud)
        self._drums.notes.append(Note(self._at(bar, step), 0.2, drum, velocity))

    def _play_bass(self, bar: Bar, part: _Part, line: str) -> None:
        root = bar.harmony.near(bar.degree, 36)
        fifth = bar.harmony.near(bar.degree + 4, root + 5)
        keys = {
            "r": root,
            "t": bar.harmony.near(bar.degree + 2, root + 4),
            "f": fifth,
            "o": root + 12,
            "a": bar.harmony.near(bar.next_degree, root) + int(self._rng.choice((-1, 1, -2, 2))),
        }
        for step, sign in enumerate(line):
            if sign in keys:
                length = (1 + _held(line, step)) * self._step * 0.95
                part.notes.append(Note(self._at(bar, step), length, keys[sign], self._velocity(bar, 96)))

    def _play_comp(self, bar: Bar, drawn: _CompPart, *, full: bool) -> None:
        comp, pattern = drawn.comp, drawn.patterns[int(full)]
        chord = bar.harmony.voiced(bar.degree, comp.voicing, comp.centre)
        for part in drawn.parts:
            for step, sign in enumerate(pattern):
                length = (1 + _held(pattern, step)) * self._step * comp.gate
                if sign.isdigit():
                    octave, which = divmod(int(sign), len(chord))
                    key = chord[which] + 12 * octave
                    part.notes.append(Note(self._at(bar, step), length, key, self._velocity(bar, 92)))
                elif sign in _STROKES:
                    strings = tuple(reversed(chord)) if sign in _UP else chord
                    held = min(length, _MUTED_S * self._second) if sign == _MUTED else length
                    self._stroke(part, strings, self._at(bar, step), held, self._velocity(bar, _LOUDNESS[sign]), comp)
            if comp.gate > 0.9 and len(pattern.replace(_HELD, "")) == 1:
                self._swell(bar, part)

    def _stroke(self, part: _Part, strings: tuple[int, ...], at: float, length: float, loud: int, comp: Comp) -> None:
        apart = comp.strum_s * self._second / max(len(strings) - 1, 1)
        for i, key in enumerate(strings):
            velocity = min(max(loud + int(self._rng.integers(-6, 7)), 8), 127)
            part.notes.append(Note(at + i * apart, length, key, velocity))

    def _swell(self, bar: Bar, part: _Part) -> None:
        """Let a held chord grow or fade: held sounds are never quite still."""
        start, end = self._rng.integers(70, 128, 2)
        for i in range(9):
            value = round(start + (end - start) * i / 8)
            part.controls.append(Control((bar.number + i / 9) * self._style.beats, _EXPRESSION, value))

    def _play_lead(self, bar: Bar, part: _Part) -> None:
        if self._motif and not bar.first and self._rng.random() < 0.6:
            self._motif = vary(self._motif, self._rng)
        else:
            self._motif = draw_motif(self._style.steps, self._density, self._rng)
        low = self._lead_centre - 6
        for note in self._motif:
            if bar.last and note.start > self._style.steps // 2:
                break  # take a breath
            step = note.offset
            if note.start % 4 == 0 and note.length > 2:  # long notes on beats belong to the chord
                step = _nearest_chord_step(bar.degree, note.offset)
            at, length = self._at(bar, note.start), note.length * self._step * 0.97
            key = min(max(bar.harmony.key(step, low), 36), 100)
            part.notes.append(Note(at, length, key, self._velocity(bar, 98)))
            self._ornament(part, at, length)

    def _ornament(self, part: _Part, at: float, length: float) -> None:
        """Slide into some notes and let long ones shake, late, as wind and string players and singers do."""
        if self._rng.random() < 0.2:
            depth = float(self._rng.uniform(-1.5, -0.5))
            slide = min(0.12 * self._second, length / 2)
            part.bends += [Bend(at + slide * i / 6, depth * (1 - i / 6)) for i in range(7)]
        if length > 0.4 * self._second:
            part.controls.append(Control(at, _MODULATION, 0))
            part.controls.append(Control(at + length * 0.4, _MODULATION, int(self._rng.integers(20, 90))))


def _nearest_chord_step(degree: int, step: int) -> int:
    """Step of the scale that belongs to the triad on `degree` and is nearest to `step`."""
    steps = np.array([degree + third + 7 * octave for third in (0, 2, 4) for octave in (-2, -1, 0, 1)])
    return int(steps[np.abs(steps - step).argmin()])


def _held(pattern: str, step: int) -> int:
    """How many steps after this one only hold its note."""
    rest = pattern[step + 1 :]
    return len(rest) - len(rest.lstrip(_HELD))
