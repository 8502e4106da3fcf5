"""Speech warped onto songs whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from song_cases import RATE, errors_s, lyrics, read_by_flite, song

from melisma.core import plugins
from melisma.core.errors import TooFewFrames, UnknownName
from melisma.core.records import Waveform
from melisma.engines.dtw import DtwEngine, read_aloud, silent
from melisma.engines.protocol import Task
from melisma.models import features


@pytest.fixture(scope="module")
def engine():
    return DtwEngine()


def test_it_enters_by_its_entry_point_and_is_a_baseline():
    facts = plugins.load(plugins.ENGINES, "dtw")().facts
    assert (facts.name, facts.task, facts.baseline, facts.languages) == ("dtw", Task.PLACE, True, None)
    assert facts.licence.spdx == "GPL-3.0-or-later"


@pytest.mark.parametrize("language", ["en", "fr", "hr", "el"])
def test_a_voice_by_itself_is_followed_closely(engine, language):
    """Tolerances for a synthesised voice: half of the words within 30 ms, eight in ten within 0.1 s."""
    case = song(45, language)
    off = np.abs(errors_s(engine.place(case.waveform, case.lyrics, language), case))
    assert np.median(off) <= 0.03
    assert np.mean(off <= 0.1) >= 0.8
    assert off.max() <= 1.0


def test_a_voice_over_a_band_is_followed_roughly(engine):
    """Nine decibels above the band: half of the words within 60 ms, seven in ten within 0.3 s."""
    case = song(60, "en", snr_db=9.0)
    off = np.abs(errors_s(engine.place(case.waveform, case.lyrics, "en"), case))
    assert np.median(off) <= 0.06
    assert np.mean(off <= 0.3) >= 0.7


def test_another_synthesiser_is_followed_too(engine, tmp_path):
    """flite's voice is made of recordings: half of the words within 30 ms, eight in ten within 0.3 s.

    The pauses are silences that are taken out; what is shorter than 0.2 s goes to the word before it or behind.
    """
    text = "the morning opens like a window and silver rain falls over the quiet hill"
    case = read_by_flite(text, tmp_path, pause_s=0.3)
    off = np.abs(errors_s(engine.place(case.waveform, case.lyrics, "en"), case))
    assert np.median(off) <= 0.03
    assert np.mean(off <= 0.3) >= 0.8


def test_silence_is_taken_out_and_put_back(engine):
    case = song(30, "en")
    first = next(i for i, s in enumerate(case.onsets_s) if s > 12)
    at = round((case.onsets_s[first] - 0.02) * RATE)
    gap = np.zeros(20 * RATE, np.float32)
    longer = Waveform(np.concatenate([case.waveform.samples[:at], gap, case.waveform.samples[at:]]), RATE)
    starts = [word.start for word in engine.place(longer, case.lyrics, "en").words]
    truth = [100 * (s + 20 * (i >= first)) for i, s in enumerate(case.onsets_s)]
    assert np.median(np.abs(np.subtract(starts, truth))) <= 4
    assert not any(at / 160 + 10 < start < at / 160 + 1990 for start in starts)


def test_silence_is_what_is_quiet_for_long_enough():
    samples = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
    samples[RATE : RATE + 8000] = 0  # half a second
    samples[2 * RATE : 2 * RATE + 1600] = 0  # a tenth
    found = silent(features.log_mel(samples))
    assert found[101:149].all()
    assert not found[:99].any()
    assert not found[151:].any()
    assert silent(features.log_mel(np.zeros(RATE, np.float32))).all()


def test_what_was_read_aloud_is_known_to_the_sample():
    reading = read_aloud(lyrics("hello — world\nLOVE"), "en-us")
    assert reading.words == (0, 2, 3)
    assert reading.spans[0, 0] == 0
    assert reading.spans[1:, 0].tolist() == reading.spans[:-1, 1].tolist()
    assert reading.spans[-1, 1] == pytest.approx(len(reading.samples) / 160, abs=0.1)
    # "LOVE" is a word that is shouted, not four letters.
    lower = read_aloud(lyrics("love"), "en-us")
    assert np.diff(reading.spans[-1]) == pytest.approx(np.diff(lower.spans[0]))


def test_words_without_a_sound_are_not_placed(engine):
    case = song(20, "en")
    with_marks = lyrics("— " + " ♪ ".join(line.text for line in case.lyrics.lines))
    heard = engine.place(case.waveform, with_marks, "en")
    assert [with_marks.words[word.index] for word in heard.words] == list(case.lyrics.words)
    assert engine.place(case.waveform, lyrics("♪ …"), "en").words == ()


def test_fast_words_are_read_fast(engine):
    text = " ".join(["remember the seventeen elephants"] * 6)  # fourteen seconds at the usual pace
    short = Waveform(np.random.default_rng(1).normal(0, 0.1, 5 * RATE).astype(np.float32), RATE)
    words = engine.place(short, lyrics(text), "en").words
    assert len(words) == 24
    assert max(word.end for word in words) <= 500


@pytest.mark.parametrize("n_samples", [0, 1, 400, RATE // 2])
def test_a_recording_too_short_for_the_words_says_so(engine, n_samples):
    noise = np.random.default_rng(1).normal(0, 0.1, n_samples).astype(np.float32)
    with pytest.raises(TooFewFrames, match="is this the right song"):
        engine.place(Waveform(noise, RATE), lyrics("remember the seventeen elephants " * 5), "en")


def test_a_silent_recording_has_no_room_for_words(engine):
    with pytest.raises(TooFewFrames, match="0 frames"):
        engine.place(Waveform(np.zeros(5 * RATE, np.float32), RATE), lyrics("hello"), "en")


def test_a_language_that_nobody_speaks_is_refused(engine):
    with pytest.raises(UnknownName, match="'qq'"):
        engine.place(Waveform(np.zeros(RATE, np.float32), RATE), lyrics("hello"), "qq")
