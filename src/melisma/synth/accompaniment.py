"""A small band in a key and a tempo: pad, bass, drums and arpeggio, bar by bar, stereo, each kind of bar made once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from melisma.core.errors import UnknownName
from melisma.core.records import Float32
from melisma.synth import instruments
from melisma.synth.speech import SAMPLE_RATE

BEATS_PER_BAR = 4
_TAIL_S = 0.25  # what a bar lets ring into the next

_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
_TONICS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "b": -1}

# Four-bar loops of popular song, as degrees of the scale from 0.
PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6)),
}

# What plays in a bar: (bass, drums, arpeggio, pad) gains.
_PARTS = {
    "verse": (0.8, 0.8, 0.35, 0.7),
    "break": (0.8, 0.9, 0.9, 0.6),
    "intro": (0.6, 0.0, 0.8, 0.7),
    "outro": (0.8, 0.0, 0.0, 0.8),
}


# Gains that a style puts on (bass, drums, arpeggio, pad, guitars) of a bar.
STYLES: dict[str, tuple[float, float, float, float, float]] = {
    "pop": (1.0, 1.0, 1.0, 1.0, 0.0),
    "rock": (1.1, 1.4, 0.0, 0.2, 0.55),
    "ballad": (0.7, 0.35, 1.4, 1.2, 0.0),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key such as C or F# major, A minor (`Am`)."""

    tonic: int  # pitch class, C = 0
    mode: str

    @classmethod
    def named(cls, name: str) -> Key:
        """Read a key's name: a note, # or b, and m for minor.

        >>> Key.named("F#m")
        Key(tonic=6, mode='minor')
        """
        stem = name.removesuffix("m")
        if stem[:1] not in _TONICS or stem[1:] not in _ACCIDENTALS:
            raise UnknownName("key", name, [t + m for t in _TONICS for m in ("", "m")])
        tonic = (_TONICS[stem[0]] + _ACCIDENTALS[stem[1:]]) % 12
        return cls(tonic, "minor" if name.endswith("m") else "major")

    def midi(self, step: int, octave_from: int = 60) -> int:
        """MIDI note of a step of the scale (0 is the tonic, 7 an octave up) from the tonic at or above a note."""
        base = octave_from + (self.tonic - octave_from) % 12
        return base + 12 * (step // 7) + _SCALES[self.mode][step % 7]

    def chord(self, degree: int) -> tuple[int, int, int]:
        """Return the steps of the triad on a degree."""
        return degree, degree + 2, degree + 4


class Band:
    """Plays bars; each (chord, kind of bar) is rendered once and kept.

    Parameters
    ----------
    key : Key
    tempo_bpm : float
        Quarter notes a minute.
    rng : numpy.random.Generator
        Draws the drums' noise, once, so that no bar depends on which were played before.
    style : str
        One of `STYLES`.
    """

    def __init__(self, key: Key, tempo_bpm: float, rng: np.random.Generator, style: str = "pop") -> None:
        self.key = key
        self._style = STYLES[style]
        self.beat_s = 60.0 / tempo_bpm
        self._noise = rng.uniform(-1, 1, SAMPLE_RATE).astype(np.float32)
        self._bars: dict[tuple[int, str], Float32] = {}

    def bar_start(self, bar: int) -> int:
        """First sample of a bar."""
        return round(bar * BEATS_PER_BAR * self.beat_s * SAMPLE_RATE)

    def bar(self, degree: int, kind: str) -> Float32:
        """Return one bar with what rings on after it, float32 [n_samples, 2].

        Parameters
        ----------
        degree : int
            Degree of the scale that the chord stands on, from 0.
        kind : str
            "verse", "break", "intro" or "outro".
        """
        if (degree, kind) not in self._bars:
            self._bars[degree, kind] = self._render(degree, kind)
        return self._bars[degree, kind]

    def _render(self, degree: int, kind: str) -> Float32:
        n_bar = self.bar_start(1)
        out = np.zeros((n_bar + round(_TAIL_S * SAMPLE_RATE), 2), np.float32)
        bass, drums, arpeggio, pad = (a * b for a, b in zip(_PARTS[kind], self._style[:4], strict=True))
        guitars = self._style[4] if kind != "outro" else 0.0
        chord = [self.key.midi(step, 54) for step in self.key.chord(degree)]
        for note in chord:
            out[: n_bar + 1] += pad * instruments.pad(note, n_bar + 1)[: len(out)]
        self._play_bass(out, self.key.midi(degree, 36), bass, kind)
        if guitars:
            self._play_guitars(out, self.key.midi(degree, 40), guitars)
        if arpeggio:
            self._play_arpeggio(out, [*chord, chord[0] + 12], arpeggio)
        if drums:
            self._play_drums(out, drums)
        return out

    def _lay(self, out: Float32, beat: float, stereo: Float32) -> None:
        at = round(beat * self.beat_s * SAMPLE_RATE)
        part = stereo[: len(out) - at]
        out[at : at + len(part)] += part

    def _play_bass(self, out: Float32, midi: int, gain: float, kind: str) -> None:
        beats = ((0.0, 4.0),) if kind == "outro" else ((0.0, 1.5), (1.5, 0.5), (2.0, 2.0))
        for beat, length in beats:
            note = instruments.bass(midi, round(length * self.beat_s * SAMPLE_RATE))
            self._lay(out, beat, instruments.panned(gain * note, -0.1))

    def _play_arpeggio(self, out: Float32, notes: list[int], gain: float) -> None:
        ring = round((0.5 * self.beat_s + _TAIL_S) * SAMPLE_RATE)
        for i, which in enumerate((0, 1, 2, 3, 2, 1, 2, 1)):
            note = instruments.pluck(notes[which] + 12, ring)
            self._lay(out, i / 2, instruments.panned(gain * note, 0.7 if i % 2 else 0.45))

    def _play_guitars(self, out: Float32, midi: int, gain: float) -> None:
        length = round(0.5 * self.beat_s * SAMPLE_RATE)
        for side, cents in ((-0.8, -4.0), (0.8, 4.0)):
            note = gain * instruments.power_chord(midi + cents / 100, length)
            for eighth in range(8):
                self._lay(out, eighth / 2, instruments.panned(note, side))

    def _play_drums(self, out: Float32, gain: float) -> None:
        short = round(_TAIL_S * SAMPLE_RATE)
        for beat in (0.0, 2.0):
            self._lay(out, beat, instruments.panned(gain * instruments.kick(short), 0.0))
        for beat in (1.0, 3.0):
            self._lay(out, beat, instruments.panned(0.7 * gain * instruments.snare(short, self._noise), -0.3))
        for eighth in range(8):
            stroke = (0.9 if eighth % 2 == 0 else 0.6) * gain * instruments.hat(short, self._noise)
            self._lay(out, eighth / 2, instruments.panned(stroke, -0.75))
