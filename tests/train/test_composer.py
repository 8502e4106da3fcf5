from __future__ import annotations

import numpy as np
import pytest

from melisma.train.composer import STYLES, compose
from melisma.train.harmony import Harmony, draw_motif, vary
from melisma.train.midi_score import DRUM_CHANNEL, smf
from melisma.train.players import Band, Bar
from melisma.train.styles import SCALES, Style


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed or 1)


def band_of(style: Style, seed: int) -> Band:
    band = Band(style, 100.0, rng(seed))
    harmony = Harmony(2, style.modes[0])
    for number, energy in enumerate((1.0, 1.0, 0.3, 0.0)):
        band.play(Bar(number, harmony, number, number + 1, energy, True, first=number == 0, last=number == 1))
    return band


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_patterns_of_a_style_fill_its_bar(style):
    patterns = [
        *style.bass_lines,
        *(p for c in style.comps for p in c.patterns),
        *(p for g in style.grooves for _, p in g),
    ]
    assert {len(p) for p in patterns} == {style.steps}


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_a_style_knows_its_scales_and_degrees(style):
    assert set(style.modes) <= set(SCALES)
    assert all(0 <= degree < 7 for chords in style.progressions for degree in chords)
    assert 60 <= style.tempo[0] < style.tempo[1] <= 180


def test_styles_have_names_of_their_own():
    assert len({s.name for s in STYLES}) == len(STYLES)


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_somebody_plays_in_every_bar(style):
    for seed in range(2):
        starts = np.array([n.start for t in band_of(style, seed).tracks() for n in t.notes])
        bars = np.floor((starts + 0.1) / style.beats)  # a note may come a moment early
        assert set(bars) == {0, 1, 2, 3}


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_channels_are_shared_by_nobody_and_drums_have_theirs(style):
    tracks = band_of(style, 4).tracks()
    channels = [t.channel for t in tracks]
    assert len(set(channels)) == len(channels)
    drums = {n.key for t in tracks if t.channel == DRUM_CHANNEL for n in t.notes}
    assert drums <= set(range(35, 82))


def test_bass_and_drums_are_in_the_middle_and_doubled_guitars_on_both_sides():
    punk = next(s for s in STYLES if s.name == "punk")
    tracks = band_of(punk, 6).tracks()
    assert all(t.pan == 64 for t in tracks if t.channel == DRUM_CHANNEL or t.notes[0].key < 38)
    pans = sorted(t.pan for t in tracks)
    assert pans[0] < 40
    assert pans[-1] > 88


def test_the_same_generator_gives_the_same_piece_and_another_one_another():
    first, again, other = (smf(compose(15, rng(seed)).score) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("seed", range(12))
def test_a_piece_lasts_as_long_as_it_was_ordered(seed):
    piece = compose(50.0, rng(seed))
    ends = max(n.start + n.length for t in piece.score.tracks for n in t.notes)
    slowest = min(bpm for _, bpm in piece.score.tempi)
    assert 50.0 - 240 / slowest < ends * 60 / piece.tempo_bpm  # at most the last bar is a rest
    assert ends * 60 / slowest < 50.0 + 3 * 4 * 60 / slowest


def test_many_pieces_have_many_styles_keys_and_tempi():
    pieces = [compose(8.0, rng(3, i)) for i in range(60)]
    assert len({p.style for p in pieces}) >= 20
    assert len({p.key for p in pieces}) >= 20
    tempi = [p.tempo_bpm for p in pieces]
    assert min(tempi) < 80
    assert max(tempi) > 145


def test_full_bars_are_louder_than_calm_ones():
    rock = next(s for s in STYLES if s.name == "rock")
    loud = {}
    for energy in (0.75, 1.0):
        band = Band(rock, 100.0, rng(5))
        for number in range(8):
            band.play(Bar(number, Harmony(0, "major"), 0, 3, energy, False, first=False, last=False))
        loud[energy] = np.mean([n.velocity for n in band.tracks()[0].notes])
    assert loud[1.0] > loud[0.75] + 4


def test_chords_belong_to_the_scale_and_lie_where_they_are_asked_for():
    harmony = Harmony(9, "minor", 4)
    scale = {(9 + step) % 12 for step in SCALES["minor"]}
    for degree in range(7):
        chord = harmony.voiced(degree, "chord", 60)
        assert len(chord) == 4
        assert {key % 12 for key in chord} <= scale
        assert all(54 <= key < 66 for key in chord)


def test_power_chords_are_root_fifth_and_octave():
    assert Harmony(4, "minor").voiced(0, "power", 43) == (40, 47, 52)


def test_steps_of_the_scale_climb_through_octaves():
    assert [Harmony(0, "major").key(step, 60) for step in (-1, 0, 4, 7, 9)] == [59, 60, 67, 72, 76]


@pytest.mark.parametrize("density", [0.0, 0.5, 1.0])
def test_motifs_fit_their_bar_without_overlap(density):
    for seed in range(20):
        motif = draw_motif(16, density, rng(seed))
        assert motif
        ends = [0] + [n.start + n.length for n in motif]
        assert all(end <= n.start for end, n in zip(ends, motif, strict=False))
        assert ends[-1] <= 16


def test_denser_motifs_have_more_notes():
    n_notes = [sum(len(draw_motif(16, density, rng(s))) for s in range(30)) for density in (0.1, 0.9)]
    assert n_notes[1] > 2 * n_notes[0]


def test_a_variation_keeps_the_rhythm_and_changes_the_tune():
    motif = draw_motif(16, 0.8, rng(2))
    others = [vary(motif, rng(s)) for s in range(10)]
    assert all([(n.start, n.length) for n in o] == [(n.start, n.length) for n in motif] for o in others)
    assert any(o != motif for o in others)
