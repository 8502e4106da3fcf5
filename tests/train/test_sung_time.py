from itertools import pairwise

import numpy as np
import pytest

from melisma.text.phones import VOWELS
from melisma.train import sung_time

# "a pause, s t a, t a ɪ, pause, m o": closures, a diphthong and a pause between phrases.
PHONES = (
    *(("s", 0.5, 0.6), ("t", 0.65, 0.7), ("a", 0.7, 0.8), ("t", 0.85, 0.9), ("a", 0.9, 0.98), ("ɪ", 0.98, 1.05)),
    *(("m", 1.5, 1.58), ("o", 1.58, 1.8)),
)
DURATION_S = 2.2


@pytest.fixture(params=range(40))
def seed(request):
    return request.param


def planned(seed, held=None):
    rng = np.random.default_rng(seed)
    held = rng.uniform(0, 1) if held is None else held
    return sung_time.plan(PHONES, DURATION_S, held, rng.uniform(0.3, 1.0), rng)


def test_segments_cover_the_clip_end_to_end():
    parts = sung_time.segments(PHONES, DURATION_S)
    assert parts[0].start == 0
    assert parts[-1].end == DURATION_S
    assert all(a.end == b.start for a, b in pairwise(parts))
    kinds = ["pause", "consonant", "consonant", "consonant", "vowel", "consonant", "consonant", "vowel", "vowel"]
    assert [p.kind for p in parts] == [*kinds, "pause", "consonant", "vowel", "pause"]


def test_vowels_are_held_and_consonants_are_not(seed):
    sung = planned(seed).to_song(PHONES)
    for (label, start, end), (_, sung_start, sung_end) in zip(PHONES, sung, strict=True):
        factor = (sung_end - sung_start) / (end - start)
        if label in VOWELS:
            assert factor <= 8 + 1e-6
        else:
            assert 0.8 - 1e-6 <= factor <= 1.5 + 1e-6


def test_a_syllable_lasts_at_least_a_little_longer_than_spoken(seed):
    notes = planned(seed).notes
    spoken = 0.1, 0.15, 0.22
    assert len(notes) == len(spoken)
    assert all(n.end - n.start >= 1.2 * s - 1e-9 for n, s in zip(notes, spoken, strict=True))


def test_held_vowels_are_longer_than_rapped_ones():
    lengths = {held: np.mean([planned(s, held).duration_s for s in range(30)]) for held in (0.0, 1.0)}
    assert lengths[1.0] > 1.5 * lengths[0.0]


def test_song_time_rises_and_phones_keep_their_order(seed):
    timing = planned(seed)
    assert np.all(np.diff(timing.song) > 0)
    assert np.all(np.diff(timing.speech) >= 0)
    flat = [t for _, a, b in timing.to_song(PHONES) for t in (a, b)]
    assert flat == sorted(flat)
    assert flat[-1] <= timing.duration_s


def test_both_directions_of_time_agree(seed):
    timing = planned(seed)
    for (_, start, _), (_, sung, _) in zip(PHONES, timing.to_song(PHONES), strict=True):
        assert timing.to_speech(np.array([sung]))[0] == pytest.approx(start, abs=1e-9)


def test_notes_begin_with_their_vowels(seed):
    timing = planned(seed)
    sung = timing.to_song(PHONES)
    assert [n.start for n in timing.notes] == pytest.approx([sung[2][1], sung[4][1], sung[7][1]])
    assert [n.last for n in timing.notes] == [False, True, True]


def test_the_middle_of_a_vowel_is_held_not_its_ends():
    timing = planned(3, held=1.0)
    _, start, end = timing.to_song(PHONES)[7]
    begin = timing.to_speech(np.array([start, start + 0.02]))
    middle = timing.to_speech(np.array([(start + end) / 2, (start + end) / 2 + 0.02]))
    assert np.diff(begin)[0] > 2 * np.diff(middle)[0]
