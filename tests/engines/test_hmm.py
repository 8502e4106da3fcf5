"""PocketSphinx on songs and on speech whose truth is known."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
from song_cases import RATE, errors_s, lyrics, read_by_flite, song

from melisma.core import plugins
from melisma.core.errors import EngineFailed, EngineUnavailable, TooFewFrames, UnknownName
from melisma.core.records import Waveform
from melisma.engines import hmm
from melisma.engines.hmm import HmmEngine
from melisma.engines.protocol import Task


@pytest.fixture(scope="module")
def engine():
    return HmmEngine()


def test_it_enters_by_its_entry_point_and_is_a_baseline():
    facts = plugins.load(plugins.ENGINES, "hmm")().facts
    assert (facts.name, facts.task, facts.baseline, facts.languages) == ("hmm", Task.PLACE, True, {"en"})
    assert facts.model_revision


def test_speech_is_followed_closely(engine, tmp_path):
    """Tolerances for flite's voice of recordings: half of the words within 40 ms, nine in ten within 0.1 s."""
    case = read_by_flite("the morning opens like a window and silver rain falls over the quiet hill", tmp_path)
    off = np.abs(errors_s(engine.place(case.waveform, case.lyrics, "en"), case))
    assert np.median(off) <= 0.04
    assert np.mean(off <= 0.1) >= 0.9


def test_words_that_no_dictionary_knows_keep_their_place(engine, tmp_path):
    case = read_by_flite("the zwoofle opens like a krandibop and silver rain falls over gleemuth hill", tmp_path)
    off = np.abs(errors_s(engine.place(case.waveform, case.lyrics, "en"), case))
    assert np.mean(off <= 0.1) >= 0.9


def test_a_song_with_a_band_and_long_breaks_is_followed(engine):
    """Nine decibels above the band, a high voice: half of the words within 0.15 s, 55 in a hundred within 0.3 s."""
    case = song(75, "en", snr_db=9.0, break_bars=6)
    off = np.abs(errors_s(engine.place(case.waveform, case.lyrics, "en"), case))
    assert np.median(off) <= 0.15
    assert np.mean(off <= 0.3) >= 0.55


@pytest.mark.parametrize(
    ("word", "ways"),
    [
        ("Love", ["L AH V"]),
        ("the", ["DH AH", "DH IY"]),  # alternatives are kept
        ("singin'", ["S IH NG IH N"]),
        ("runnin’,", ["R AH N IH N"]),
        ("'cause", ["K AH Z"]),
        ("zwoofle", ["Z W UW F AH L"]),  # by espeak-ng
        ("ooh-zwoofle", ["UW Z W UW F AH L"]),
        ("(hey)", ["HH EY"]),
        ("2", ["T UW"]),
        ("—", []),
    ],
)
def test_pronunciations(engine, word, ways):
    assert list(engine.pronunciations(word)) == ways


def test_ways_of_saying_long_compounds_are_few(engine):
    assert 1 < len(engine.pronunciations("the-the-the-the-the-the")) <= 8


def test_words_without_a_sound_are_not_placed(engine, tmp_path):
    case = read_by_flite("silver rain falls", tmp_path)
    heard = engine.place(case.waveform, lyrics("— silver ♪ rain falls …"), "en")
    assert [word.index for word in heard.words] == [1, 3, 4]
    assert engine.place(case.waveform, lyrics("♪ …"), "en").words == ()


@pytest.mark.parametrize("n_samples", [0, 1, 410, RATE // 2])
def test_a_recording_too_short_for_the_words_says_so(engine, n_samples):
    noise = np.random.default_rng(1).normal(0, 0.1, n_samples).astype(np.float32)
    with pytest.raises(TooFewFrames, match="is this the right song"):
        engine.place(Waveform(noise, RATE), lyrics("remember the seventeen elephants " * 5), "en")


@pytest.fixture(scope="module")
def hopeless():
    """Forty-five seconds of silence, then noise for a third as long as these words take."""
    samples = np.random.default_rng(2).normal(0, 0.3, 60 * RATE).astype(np.float32)
    samples[: 45 * RATE] *= 1e-4
    return Waveform(samples, RATE), lyrics("remember the seventeen elephants " * 20)


def test_where_no_path_survives_the_beams_there_are_none(engine, hopeless):
    """A forced alignment spells every word, whatever is heard."""
    words = engine.place(*hopeless, "en").words
    assert [word.index for word in words] == list(range(80))
    assert all(a.end <= b.start for a, b in pairwise(words))


def test_no_time_is_invented_where_the_search_gets_lost(engine, hopeless, monkeypatch):
    monkeypatch.setattr(hmm, "_MOST_ENDS", 80 * 5999)  # one frame less than there are
    with pytest.raises(EngineFailed, match="lost its way in the recording"):
        engine.place(*hopeless, "en")


def test_too_long_a_recording_is_refused_before_anything_is_done(engine):
    hours = Waveform(np.broadcast_to(np.float32(0.1), 3600 * RATE), RATE)
    with pytest.raises(EngineFailed, match="up to 30 minutes"):
        engine.place(hours, lyrics("hello"), "en")


@pytest.mark.parametrize("language", ["fr", "de", "qq", ""])
def test_another_language_than_english_is_refused(engine, language):
    with pytest.raises(UnknownName, match="there are: en"):
        engine.place(Waveform(np.zeros(RATE, np.float32), RATE), lyrics("bonjour"), language)


@pytest.mark.parametrize("language", ["en", "eng", "en-GB", "en_us"])
def test_english_has_many_names(engine, language, tmp_path):
    case = read_by_flite("silver rain", tmp_path)
    assert len(engine.place(case.waveform, case.lyrics, language).words) == 2


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    monkeypatch.setattr(hmm, "find_spec", lambda name: None)
    engine = HmmEngine()
    assert engine.missing() == "the engine 'hmm' needs PocketSphinx: pip install 'melisma[baselines]'"
    with pytest.raises(EngineUnavailable, match=r"pip install 'melisma\[baselines\]'"):
        engine.place(Waveform(np.zeros(RATE, np.float32), RATE), lyrics("hello"), "en")


def test_a_package_without_its_models_is_said_to_be_so(monkeypatch, tmp_path):
    monkeypatch.setattr(hmm, "_folder", lambda: tmp_path)
    assert "lacks its models" in str(HmmEngine().missing())
