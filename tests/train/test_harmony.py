from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from melisma.train.harmony import Harmony, draw_motif, vary
from melisma.train.styles import SCALES

# The chords on the seven degrees, as any book of harmony has them, in C (or A minor): pitch classes from the root up.
TRIADS = {
    ("major", 0): ([0, 4, 7], [2, 5, 9], [4, 7, 11], [5, 9, 0], [7, 11, 2], [9, 0, 4], [11, 2, 5]),
    ("minor", 9): ([9, 0, 4], [11, 2, 5], [0, 4, 7], [2, 5, 9], [4, 7, 11], [5, 9, 0], [7, 11, 2]),
    # The raised seventh makes the dominant major and the chords on II and VII diminished, that on III augmented.
    ("harmonic minor", 9): ([9, 0, 4], [11, 2, 5], [0, 4, 8], [2, 5, 9], [4, 8, 11], [5, 9, 0], [8, 11, 2]),
}
TONICS = range(12)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def classes(keys) -> set[int]:
    return {key % 12 for key in keys}


@pytest.mark.parametrize(("mode", "tonic"), TRIADS)
def test_the_chords_of_a_key_are_those_of_the_book(mode, tonic):
    for degree, chord in enumerate(TRIADS[mode, tonic]):
        assert classes(Harmony(tonic, mode).voiced(degree, "chord", 60)) == set(chord)


def test_a_dominant_seventh_has_a_tritone():
    assert classes(Harmony(0, "major", 4).voiced(4, "chord", 60)) == {7, 11, 2, 5}


@pytest.mark.parametrize("mode", SCALES)
def test_another_tonic_moves_every_pitch_by_as_much(mode):
    for tonic in TONICS:
        for step in range(-7, 14):
            moved = Harmony(tonic, mode).pitch_class(step) - Harmony(0, mode).pitch_class(step)
            assert moved % 12 == tonic


@pytest.mark.parametrize("mode", SCALES)
@pytest.mark.parametrize("low", [36, 41, 59])
def test_keys_climb_the_scale_from_the_first_tonic_on(mode, low):
    for tonic in TONICS:
        harmony = Harmony(tonic, mode)
        keys = [harmony.key(step, low) for step in range(-7, 15)]
        tonic_key = keys[7]
        assert low <= tonic_key < low + 12
        assert tonic_key % 12 == tonic
        assert all(1 <= right - left <= 3 for left, right in pairwise(keys))
        assert [key + 12 for key in keys[:-7]] == keys[7:]
        assert [key % 12 for key in keys] == [harmony.pitch_class(step) for step in range(-7, 15)]


def test_the_nearest_key_of_a_step_is_the_nearest_of_all():
    for tonic in TONICS:
        for step in range(7):
            for centre in (36, 60, 66):
                harmony = Harmony(tonic, "dorian")
                found = harmony.near(step, centre)
                others = [key for key in range(128) if key % 12 == harmony.pitch_class(step)]
                assert found in others
                assert abs(found - centre) == min(abs(key - centre) for key in others)


@pytest.mark.parametrize("mode", SCALES)
@pytest.mark.parametrize("size", [3, 4])
def test_a_chord_lies_within_an_octave_about_its_centre_from_low_to_high(mode, size):
    for tonic in TONICS:
        for degree in range(7):
            chord = Harmony(tonic, mode, size).voiced(degree, "chord", 60)
            assert len(chord) == size
            assert list(chord) == sorted(chord)
            assert chord[-1] - chord[0] < 12
            assert all(abs(key - 60) <= 6 for key in chord)


def test_a_power_chord_is_a_root_with_fifth_and_octave_and_no_third():
    for tonic in TONICS:
        for degree in (0, 1, 2, 3, 4, 5):  # the fifth on VII of major is diminished
            root, fifth, octave = Harmony(tonic, "major").voiced(degree, "power", 48)
            assert root % 12 == Harmony(tonic, "major").pitch_class(degree)
            assert (fifth - root, octave - root) == (7, 12)


def test_the_other_voicings_are_parts_of_the_same_chord():
    for tonic in TONICS:
        harmony = Harmony(tonic, "minor")
        for degree in (0, 2, 3, 4, 5, 6):
            root, third, fifth = (harmony.pitch_class(degree + i) for i in (0, 2, 4))
            low = harmony.voiced(degree, "low", 60)
            assert (low[0] % 12, low[1] - low[0]) == (root, 7)
            assert low[0] < 60 - 5  # an octave beneath where the root of the others lies
            bottom, top = harmony.voiced(degree, "octave", 60)
            assert (bottom % 12, top - bottom) == (root, 12)
            dyad = harmony.voiced(degree, "dyad", 60)
            assert list(dyad) == sorted(dyad)
            assert classes(dyad) == {third, fifth}


@pytest.mark.parametrize("n_steps", [12, 16])
@pytest.mark.parametrize("density", [0.0, 0.5, 1.0])
def test_motifs_fit_their_bar_without_overlap(n_steps, density):
    for seed in range(20):
        motif = draw_motif(n_steps, density, rng(seed))
        assert motif
        assert all(note.length > 0 for note in motif)
        ends = [0] + [note.start + note.length for note in motif]
        assert all(end <= note.start for end, note in zip(ends, motif, strict=False))
        assert ends[-1] <= n_steps


def test_a_melody_moves_by_steps_and_small_leaps_within_an_octave_and_a_half():
    for seed in range(40):
        offsets = [note.offset for note in draw_motif(16, 1.0, rng(seed))]
        assert all(abs(right - left) <= 3 for left, right in pairwise(offsets))
        assert max(offsets) - min(offsets) <= 11


def test_denser_motifs_have_more_notes():
    n_notes = [sum(len(draw_motif(16, density, rng(s))) for s in range(30)) for density in (0.1, 0.9)]
    assert n_notes[1] > 2 * n_notes[0]


def test_notes_on_beats_are_commoner_than_those_between():
    starts = [note.start for seed in range(100) for note in draw_motif(16, 0.5, rng(seed))]
    on_beats = sum(start % 4 == 0 for start in starts)
    assert on_beats > 2 * sum(start % 4 == 1 for start in starts)


def test_a_variation_keeps_the_rhythm_and_the_shape_of_its_beginning():
    motif = draw_motif(16, 0.8, rng(2))
    others = [vary(motif, rng(seed)) for seed in range(10)]
    for other in others:
        assert [(n.start, n.length) for n in other] == [(n.start, n.length) for n in motif]
        moved = {n.offset - m.offset for n, m in list(zip(other, motif, strict=True))[: len(motif) // 2]}
        assert len(moved) == 1
    assert len(set(others)) > 1


def test_the_same_generator_draws_the_same_motif_and_another_one_another():
    assert draw_motif(16, 0.6, rng(1)) == draw_motif(16, 0.6, rng(1))
    assert len({draw_motif(16, 0.6, rng(seed)) for seed in range(10)}) > 5
