"""All styles that a piece may be in: their data against the signs and meters, and what a band makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from melisma.train.composer import STYLES
from melisma.train.harmony import Harmony
from melisma.train.midi_score import DRUM_CHANNEL, Note
from melisma.train.players import Band, Bar
from melisma.train.styles import SCALES, Comp, Style

each_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)

BPM = 60.0  # a quarter note is a second
LOOSE = 0.06  # quarter notes: five deviations of the loosest band
SILENT = Comp((0,), ("",))
PIANO_KEYS = range(21, 109)
ENERGIES = (1.0, 1.0, 0.3, 0.0)


def bars_of(
    style: Style, seed: int, n_bars: int = 6, song: int | None = None
) -> Iterator[tuple[Bar, dict[int, list[Note]]]]:
    """Let a band play a section with a solo; yield each bar with the notes that it added, by channel."""
    band = Band(style, BPM, np.random.default_rng(seed))
    song = seed if song is None else song
    harmony = Harmony(song % 12, style.modes[song % len(style.modes)], 4 if song % 2 and style.sevenths else 3)
    chords = style.progressions[song % len(style.progressions)]
    before: dict[int, int] = {}
    for number in range(n_bars):
        now, then = chords[number % len(chords)], chords[(number + 1) % len(chords)]
        bar = Bar(number, harmony, now, then, ENERGIES[number % 4], True, first=number == 0, last=number == n_bars - 1)
        band.play(bar)
        yield bar, {track.channel: list(track.notes[before.get(track.channel, 0) :]) for track in band.tracks()}
        before = {track.channel: len(track.notes) for track in band.tracks()}


def chord_of(bar: Bar) -> set[int]:
    """Pitch classes of a bar's chord, by thirds of the scale."""
    scale = SCALES[bar.harmony.mode]
    steps = [bar.degree + 2 * i for i in range(bar.harmony.chord_size)]
    return {(bar.harmony.tonic + scale[step % 7]) % 12 for step in steps}


def all_notes(parts: dict[int, list[Note]]) -> list[Note]:
    return [note for notes in parts.values() for note in notes]


def test_scales_have_the_steps_that_their_names_promise():
    steps = {mode: np.diff((*scale, 12)).tolist() for mode, scale in SCALES.items()}
    major = [2, 2, 1, 2, 2, 2, 1]
    # The church modes are the major scale begun on another of its notes.
    begun_on = {"major": 0, "dorian": 1, "phrygian": 2, "mixolydian": 4, "minor": 5}
    assert {mode: steps[mode] for mode in begun_on} == {m: major[n:] + major[:n] for m, n in begun_on.items()}
    assert steps["harmonic minor"] == [2, 1, 2, 2, 1, 3, 1]
    assert set(SCALES) == {*begun_on, "harmonic minor"}


def test_styles_have_names_of_their_own():
    assert len({style.name for style in STYLES}) == len(STYLES) == 29


@each_style
def test_a_style_knows_its_scales_degrees_and_tempi(style):
    assert set(style.modes) <= set(SCALES)
    assert all(0 <= degree < 7 for chords in style.progressions for degree in chords)
    assert 60 <= style.tempo[0] < style.tempo[1] <= 180
    assert 0 <= style.drive[0] <= style.drive[1] <= 1
    assert 0 <= style.swing < 1  # a step that came a whole one late would be the next
    assert style.weight > 0


@each_style
def test_patterns_fill_the_bar_with_signs_that_mean_something(style):
    assert style.steps == {"4/4": 16, "3/4": 12, "12/8": 12}[style.meter]
    patterns = {
        "XxoOD.": [pattern for groove in style.grooves for _, pattern in groove],
        "rtfoa=.": list(style.bass_lines),
        "DUdum0123456789=.": [pattern for comp in style.comps for pattern in comp.patterns],
    }
    for signs, lines in patterns.items():
        assert {len(line) for line in lines} <= {style.steps}
        assert set("".join(lines)) <= set(signs)
        assert not any(line.startswith("=") for line in lines)  # nothing is held that was not struck
    assert patterns["DUdum0123456789=."]
    assert bool(style.basses) == bool(style.bass_lines)


@each_style
def test_programmes_kits_and_drums_are_those_of_general_midi(style):
    programs = {*style.basses, *style.leads, *(program for comp in style.comps for program in comp.programs)}
    assert programs <= set(range(128))
    assert programs.isdisjoint(range(120, 128))  # noises: breath, a telephone, a gun shot
    assert set(style.kits) <= {0, 8, 16, 24, 25, 32, 40, 48}
    assert {drum for groove in style.grooves for drum, _ in groove} <= set(range(35, 82))


@each_style
def test_notes_lie_on_the_grid_of_their_bar_and_end_with_it(style):
    strum_s = max(comp.strum_s for comp in style.comps)
    step = style.beats / style.steps
    grid = np.array([i * step + (style.swing * step if i % 2 else 0) for i in range(style.steps)])
    for seed in range(2):
        for bar, parts in bars_of(style, seed):
            for note in all_notes(parts):
                start = note.start - bar.number * style.beats
                assert -LOOSE <= start < style.beats
                assert -LOOSE <= min(start - grid, key=abs) <= LOOSE + strum_s
                assert start + note.length <= style.beats + LOOSE + strum_s + style.swing * step


@each_style
def test_every_bar_sounds_within_the_compass_of_a_piano(style):
    for seed in range(2):
        for _, parts in bars_of(style, seed):
            assert all_notes(parts)
            pitched = [note.key for channel, notes in parts.items() if channel != DRUM_CHANNEL for note in notes]
            assert pitched
            assert set(pitched) <= set(PIANO_KEYS)
            assert all(1 <= note.velocity <= 127 for note in all_notes(parts))


@each_style
def test_channels_are_shared_by_nobody(style):
    for seed in range(3):
        band = Band(style, BPM, np.random.default_rng(seed))
        band.play(Bar(0, Harmony(0, style.modes[0]), 0, 0, 1.0, True, first=True, last=True))
        channels = [track.channel for track in band.tracks()]
        assert len(set(channels)) == len(channels)


@each_style
def test_chords_are_those_of_the_harmony(style):
    for k, comp in enumerate(style.comps):
        alone = replace(style, comps=(comp,), grooves=(), basses=(), leads=())
        for seed in range(2 * k, 2 * k + 2):
            for bar, parts in bars_of(alone, seed):
                sounding = {note.key % 12 for note in all_notes(parts)}
                assert sounding
                assert sounding <= chord_of(bar)


@each_style
def test_the_bass_plays_the_chord_or_a_step_to_the_next_root(style):
    alone = replace(style, comps=(replace(SILENT, patterns=("." * style.steps,)),), grooves=(), leads=())
    n_roots = n_bars = 0
    for seed in range(3):
        for bar, parts in bars_of(alone, seed):
            next_root = bar.harmony.pitch_class(bar.next_degree)
            near = {(next_root + step) % 12 for step in (-2, -1, 1, 2)}
            notes = all_notes(parts)
            assert {note.key % 12 for note in notes} <= chord_of(bar) | near
            assert all(note.key < 60 for note in notes)
            n_roots += bar.harmony.pitch_class(bar.degree) in {note.key % 12 for note in notes}
            n_bars += bool(notes)
    assert n_roots == n_bars
    assert n_bars or not style.basses


@each_style
def test_the_lead_keeps_to_the_scale(style):
    alone = replace(style, comps=(replace(SILENT, patterns=("." * style.steps,)),), grooves=(), basses=())
    for seed in range(3):
        for bar, parts in bars_of(alone, seed):
            scale = {bar.harmony.pitch_class(step) for step in range(7)}
            assert {note.key % 12 for note in all_notes(parts)} <= scale


@each_style
def test_the_same_seed_gives_the_same_score_and_another_another(style):
    def score(seed: int) -> list[dict[int, list[Note]]]:
        return [parts for _, parts in bars_of(style, seed, 2, song=5)]

    assert score(1) == score(1)
    assert score(1) != score(2)
