from itertools import pairwise

import numpy as np
import pytest

from melisma.core.errors import UnknownName
from melisma.synth import heldout
from melisma.synth.accompaniment import STYLES


def test_there_are_songs_in_over_a_dozen_languages():
    assert len(heldout.LANGUAGES) >= 14
    assert {"hr", "sr", "bs"} <= set(heldout.LANGUAGES)


@pytest.mark.parametrize("language", heldout.LANGUAGES)
def test_a_song_is_written_whole_and_in_order(language):
    made = heldout.held_out(language, 0)
    assert len(made.words) >= 40
    assert [w.text for w in made.words] == made.lyrics.split()
    assert all(left.end < right.start for left, right in pairwise(made.words))
    assert 30 < made.n_samples / 22050 < 240


def test_the_same_number_is_the_same_song_and_another_is_another():
    assert heldout.config("hr", 0) == heldout.config("hr", 0)
    assert heldout.config("hr", 0) != heldout.config("hr", 1)
    assert heldout.config("sr", 0).tempo_bpm != heldout.config("hr", 0).tempo_bpm


def test_songs_differ_in_what_makes_them_hard():
    drawn = [heldout.config(language, k) for language in heldout.LANGUAGES for k in range(3)]
    assert {c.singer for c in drawn} == set(heldout.SINGERS)
    assert {c.style for c in drawn} == set(STYLES)
    assert np.ptp([c.snr_db for c in drawn]) > 9
    assert 0.2 < np.mean([c.choir > 0 for c in drawn]) < 0.6
    assert 0.5 < np.mean([c.hall_s > 0 for c in drawn]) < 0.9
    gaps = [c.break_bars * 240 / c.tempo_bpm for c in drawn]
    assert min(gaps) < 8
    assert max(gaps) > 20


def test_an_unknown_language_is_refused():
    with pytest.raises(UnknownName, match="no language of synthetic songs is called 'ja'"):
        heldout.config("ja", 0)
