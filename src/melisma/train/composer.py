"""Random but musical accompaniments: a style, a key and a tempo, then sections, bar by bar, part by part."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from melisma.train.harmony import Harmony
from melisma.train.midi_score import MidiScore
from melisma.train.players import Band, Bar
from melisma.train.styles import SCALES, Style
from melisma.train.styles_other import OTHER
from melisma.train.styles_popular import POPULAR

STYLES = POPULAR + OTHER

# How full each kind of section is, from 0 (one part) to 1 (all); how many bars it has; how often a solo is over it.
_SECTIONS: dict[str, tuple[float, tuple[int, ...], float]] = {
    "intro": (0.35, (2, 4), 0.3),
    "verse": (0.6, (4, 8), 0.2),
    "chorus": (1.0, (4, 8), 0.4),
    "solo": (0.85, (4, 8), 1.0),
    "bridge": (0.45, (4,), 0.3),
    "break": (0.1, (1, 2), 0.1),
    "outro": (0.4, (4,), 0.3),
}
_FORMS = (
    ("intro", "verse", "chorus", "verse", "chorus", "solo", "chorus", "outro"),
    ("verse", "chorus", "break", "verse", "solo", "chorus"),
    ("chorus", "verse", "chorus", "bridge", "solo", "chorus"),
    ("intro", "solo", "verse", "chorus", "break", "chorus"),
    ("solo", "verse", "chorus", "solo", "bridge", "chorus"),
    ("chorus", "chorus", "break", "solo", "chorus"),
)
_KEY_CHANGE = 0.15  # share of pieces that end a tone higher
_RUBATO = 0.3  # share of pieces without drums whose tempo breathes


@dataclass(frozen=True, slots=True)
class Piece:
    """What a piece is, in words, and its notes."""

    style: str
    key: str
    tempo_bpm: float
    drive: tuple[float, float]  # how far its mix may be overdriven, from 0 to 1
    score: MidiScore


def compose(duration_s: float, rng: np.random.Generator) -> Piece:
    """Compose a piece that lasts at least `duration_s` seconds.

    The generator alone decides everything: the same state gives the same piece.
    """
    weights = np.array([style.weight for style in STYLES])
    style = STYLES[int(rng.choice(len(STYLES), p=weights / weights.sum()))]
    tempo = float(rng.uniform(*style.tempo))
    mode = str(rng.choice(style.modes))
    harmony = Harmony(int(rng.integers(12)), mode, 4 if rng.random() < style.sevenths else 3)
    n_bars = math.ceil(duration_s * tempo / 60 / style.beats) + 1
    band = Band(style, tempo, rng)
    for bar in _bars(style, harmony, n_bars, rng):
        band.play(bar)
    tempi = _tempi(style, tempo, n_bars, has_drums=band.has_drums, rng=rng)
    return Piece(style.name, f"{harmony.tonic} {mode}", tempo, style.drive, MidiScore(tempi, band.tracks()))


def _bars(style: Style, harmony: Harmony, n_bars: int, rng: np.random.Generator) -> Iterator[Bar]:
    """Lay out the form: sections one after another, begun again when it ends too soon."""
    progressions = {name: _progression(style, rng) for name in ("verse", "chorus")}
    change_at = round(n_bars * 0.65) if rng.random() < _KEY_CHANGE else n_bars
    raised = Harmony((harmony.tonic + 2) % 12, harmony.mode, harmony.chord_size)
    number = 0
    while number < n_bars:
        for kind in _FORMS[int(rng.integers(len(_FORMS)))]:
            energy, lengths, solo = _SECTIONS[kind]
            energy = min(max(energy + float(rng.normal(0, 0.08)), 0.0), 1.0)
            chords = progressions["chorus" if kind in ("chorus", "solo") else "verse"]
            length = int(rng.choice(lengths))
            has_lead = rng.random() < solo
            for i in range(length):
                now, then = chords[i % len(chords)], chords[(i + 1) % len(chords)]
                here = raised if number >= change_at else harmony
                yield Bar(number, here, now, then, energy, has_lead, first=i == 0, last=i == length - 1)
                number += 1
                if number == n_bars:
                    return


def _progression(style: Style, rng: np.random.Generator) -> tuple[int, ...]:
    """Mostly a loop that people know, now and then one that nobody does."""
    if rng.random() < 0.8:
        return style.progressions[int(rng.integers(len(style.progressions)))]
    return (0, *(int(d) for d in rng.integers(0, len(SCALES[style.modes[0]]), 3)))


def _tempi(
    style: Style, tempo: float, n_bars: int, *, has_drums: bool, rng: np.random.Generator
) -> tuple[tuple[float, float], ...]:
    if has_drums or rng.random() >= _RUBATO:
        return ((0.0, tempo),)
    # Never slower than drawn, so that the piece is not longer than its notes.
    return tuple((float(bar * style.beats), tempo * float(rng.uniform(0.94, 1.0))) for bar in range(n_bars))
