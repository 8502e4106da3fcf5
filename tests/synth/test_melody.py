from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from melisma.synth import melody
from melisma.synth.accompaniment import Key
from melisma.synth.singing import Note


@pytest.mark.parametrize("n_notes", range(1, 25))
def test_a_rhythm_fits_its_bars_and_leaves_a_breath(n_notes):
    n_bars = melody.bars_needed(n_notes)
    for seed in range(5):
        lengths = melody.rhythm(n_notes, n_bars, np.random.default_rng(seed))
        assert len(lengths) == n_notes
        assert min(lengths) >= 1
        assert lengths[-1] >= 3
        assert sum(lengths) + 2 <= 8 * n_bars


@pytest.mark.parametrize(("key", "span"), [("C", (45, 57)), ("F#m", (48, 60)), ("Bb", (53, 66))])
def test_melodies_stay_in_key_and_range(key, span):
    named = Key.named(key)
    scale = {named.midi(s) % 12 for s in range(7)}
    for seed in range(10):
        notes = melody.compose(9, (0, 4, 5), named, span, 0.6, np.random.default_rng(seed))
        assert all(span[0] <= n.midi <= span[1] for n in notes)
        assert {n.midi % 12 for n in notes} <= scale
        assert len({n.midi for n in notes}) > 1


def test_notes_follow_each_other_without_overlap():
    notes = melody.compose(12, (0, 3, 4), Key.named("C"), (45, 57), 0.6, np.random.default_rng(1))
    for left, right in pairwise(notes):
        assert right.start_s == pytest.approx(left.start_s + left.length_s)


def test_the_last_note_stands_on_its_chord():
    key = Key.named("G")
    for seed in range(10):
        notes = melody.compose(7, (0, 4), key, (48, 60), 0.6, np.random.default_rng(seed))
        chord = {key.midi(s) % 12 for degree in (0, 4) for s in key.chord(degree)}
        assert notes[-1].midi % 12 in chord


def test_the_same_generator_state_gives_the_same_melody():
    two = [melody.compose(8, (0, 4), Key.named("D"), (48, 60), 0.6, np.random.default_rng(4)) for _ in range(2)]
    assert two[0] == two[1]


def test_melismas_stay_in_key_and_range_and_leave_short_notes_alone():
    key, span = Key.named("Am"), (45, 64)
    notes = [Note(57, 0.0, 0.4), Note(57, 0.5, 1.0), Note(64, 1.5, 2.0), Note(45, 4.0, 0.6)]
    found = melody.with_melismas(notes, key, span, 1.0, np.random.default_rng(3))
    assert [replace(note, turns=()) for note in found] == notes
    assert [len(note.turns) for note in found[:1]] == [0]
    scale = {key.midi(step, span[0]) for step in range(-7, 15)}
    for note in found[1:]:
        assert 2 <= len(note.turns) <= 4
        assert note.length_s / (1 + len(note.turns)) >= 0.16
        assert {*note.turns} <= scale
        assert all(45 <= midi <= 64 for midi in note.turns)
        assert all(a != b for a, b in pairwise((note.midi, *note.turns)))


def test_no_share_is_no_melisma():
    notes = [Note(57, 0.0, 2.0)]
    assert melody.with_melismas(notes, Key.named("C"), (45, 64), 0.0, np.random.default_rng(0)) == notes
