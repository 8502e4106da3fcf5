import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from melisma.train import sung_pitch
from melisma.train.sung_pitch import Manner, Tone
from melisma.train.sung_time import Note

PLAIN = Manner(0.05, 5.5, 0.0, 0.2, 0.0, 0.0, 0.0)
TIMES = np.arange(400) * 0.005
NOTES = tuple(Note(0.3 * i, 0.3 * i + 0.25, i == 19) for i in range(20))


@pytest.mark.parametrize("seed", range(20))
def test_melodies_stay_in_reach_and_in_one_scale(seed):
    tones = sung_pitch.melody(NOTES, 60.0, 7.0, PLAIN, np.random.default_rng(seed))
    pitches = np.array([t.pitch for t in tones])
    assert len(tones) == len(NOTES)
    assert np.all(np.abs(pitches - 60) <= 7)
    assert len(np.unique(np.round(pitches % 12, 6))) <= 7
    assert np.all(np.isclose((pitches - pitches[0]) % 1 % 1, 0, atol=1e-6) | np.isclose((pitches - pitches[0]) % 1, 1))


def test_a_reach_without_a_rung_gives_one_tone():
    tones = sung_pitch.melody(NOTES, 60.0, 0.0, PLAIN, np.random.default_rng(0))
    assert len({t.pitch for t in tones}) == 1


def test_melismas_part_long_notes_without_gaps():
    manner = dataclasses.replace(PLAIN, melisma=1.0)
    tones = sung_pitch.melody((Note(1.0, 2.0, True),), 60.0, 7.0, manner, np.random.default_rng(0))
    assert len(tones) > 1
    assert (tones[0].start, tones[-1].end) == pytest.approx((1.0, 2.0))
    assert all(a.end == b.start for a, b in pairwise(tones))


def test_the_pitch_arrives_with_the_vowel():
    tones = Tone(0.0, 0.9, 60.0), Tone(1.0, 2.0, 67.0)
    line = sung_pitch.contour(tones, TIMES, PLAIN, np.random.default_rng(0))
    assert line[TIMES < 0.97] == pytest.approx(60.0)
    assert line[200] == pytest.approx(63.5, abs=0.1)
    assert line[TIMES > 1.03] == pytest.approx(67.0)


def test_vibrato_begins_late_and_keeps_its_rate_and_depth():
    manner = dataclasses.replace(PLAIN, vibrato_depth=1.0)
    line = sung_pitch.contour((Tone(0.0, 2.0, 60.0),), TIMES, manner, np.random.default_rng(1)) - 60
    assert np.all(line[TIMES < 0.2] == 0)
    full = line[(TIMES > 0.4) & (TIMES < 1.9)]
    assert 0.55 < full.max() <= 1.0
    crossings = np.count_nonzero(np.diff(np.sign(full)))
    assert crossings / 2 / 1.5 == pytest.approx(5.5, abs=0.7)


def test_a_scoop_begins_below_and_reaches_its_tone():
    manner = dataclasses.replace(PLAIN, scoop=1.0)
    line = sung_pitch.contour((Tone(0.0, 2.0, 60.0),), TIMES, manner, np.random.default_rng(1))
    assert line[0] < 59.6
    assert line[-1] == pytest.approx(60.0, abs=0.01)


def test_loudness_falls_at_the_end_of_a_phrase_but_not_to_silence():
    tone = Tone(0.5, 1.5, 60.0)
    ends, goes_on = (sung_pitch.loudness((tone,), [last], TIMES, np.random.default_rng(2)) for last in (True, False))
    assert ends[298] < goes_on[298] - 2
    assert ends.min() > -20
    assert np.all(ends[TIMES < 0.5] == 0)
